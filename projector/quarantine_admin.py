"""The operators' plane of the quarantine: what is asked and done over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.errors import Outage, QuarantineEntryNotFound, ReadModelUnavailable
from projector.quarantine import Page, Quarantine, Record, States
from projector.quarantine_records import with_event_json
from projector.replays import Replays

_LONGEST_SECONDS = 30.0


class QuarantineAdmin:
    """Answers operators, within a time.

    All methods raise ReadModelUnavailable when what they need is away for longer; what was begun can be repeated.

    Args:
        replays: set once this process can project.
    """

    def __init__(self, quarantine: Quarantine, replays: "asyncio.Future[Replays]") -> None:
        self._quarantine = quarantine
        self._replays = replays

    async def pages(self, states: States) -> AsyncIterator[Page]:
        """The entries in these states or, without, in any; oldest first."""
        async with _answered():
            async for page in self._quarantine.pages(states):
                yield page

    async def get(self, id_: str) -> Record:
        """An entry and its message, decoded.

        Raises:
            QuarantineEntryNotFound: there is none.
        """
        async with _answered():
            found = await self._quarantine.look([id_], messages=True)
        if id_ not in found:
            raise QuarantineEntryNotFound(id_)
        return with_event_json(found[id_].record)

    async def replay(self, id_: str) -> pb.QuarantineEntry | None:
        """See `Replays.replay`."""
        async with _answered():
            return await (await asyncio.shield(self._replays)).replay(id_)

    async def skip(self, id_: str, version: int, actor: str, reason: str) -> pb.QuarantineEntry | None:
        """See `Replays.skip`."""
        async with _answered():
            return await (await asyncio.shield(self._replays)).skip(id_, version, actor, reason)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            yield
    except (Outage, TimeoutError) as error:
        raise ReadModelUnavailable("the quarantine, or what a replay needs, cannot be reached now") from error
