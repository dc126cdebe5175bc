"""The operators' plane of a projection's quarantine: what is asked and done over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TypeAlias

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.errors import GenerationNotFound, Outage, QuarantineEntryNotFound, ReadModelUnavailable
from projector.generations import Generation, Generations
from projector.quarantine import Page, Quarantine, Record, States
from projector.quarantine_records import with_event_json
from projector.replays import Replays
from projector.tracing import silent

Entry: TypeAlias = pb.QuarantineEntry | None
_LONGEST_SECONDS = 30.0
_POLL_SECONDS = 0.05


class QuarantineAdmin:
    """Answers operators, within a time.

    All methods raise ReadModelUnavailable when what they need is away for longer; what was begun can be repeated.

    Args:
        quarantine: makes a generation's.
        fed: the replays of the generations that this process feeds now, by their writers.
        subjects: what entries' ids can begin with.
    """

    def __init__(
        self,
        generations: Generations,
        quarantine: Callable[[Generation], Quarantine],
        fed: Mapping[str, Replays],
        *,
        subjects: Collection[str],
    ) -> None:
        self._generations = generations
        self._quarantine = quarantine
        self._fed = fed
        self._subjects = frozenset(subjects)

    def concerns(self, id_: str) -> bool:
        """Whether there can be an entry of this id."""
        return id_.partition("/")[0] in self._subjects

    async def pages(self, generation: int, states: States) -> AsyncIterator[Page]:
        """The entries in these states or, without, in any; oldest first.

        Args:
            generation: 0 for the live one.

        Raises:
            GenerationNotFound: there is none.
        """
        async with _answered():
            async for page in (await self._of(generation)).pages(states):
                yield page

    async def get(self, generation: int, id_: str) -> Record:
        """An entry and its message, decoded.

        Raises:
            GenerationNotFound: there is none.
            QuarantineEntryNotFound: there is none.
        """
        async with _answered():
            found = await (await self._of(generation)).look([id_], messages=True)
        if id_ not in found:
            raise QuarantineEntryNotFound(id_)
        return with_event_json(found[id_].record)

    async def replay(self, id_: str) -> Entry:
        """See `Replays.replay`."""
        return await self._in_all(id_, lambda replays: replays.replay(id_))

    async def skip(self, id_: str, version: int, actor: str, reason: str) -> Entry:
        """See `Replays.skip`."""
        return await self._in_all(id_, lambda replays: replays.skip(id_, version, actor, reason))

    async def _of(self, generation: int) -> Quarantine:
        if not generation:
            return self._quarantine(await self._generations.live())
        for each in await self._generations.all():
            if each.number == generation:
                return self._quarantine(each)
        raise GenerationNotFound(f"there is no generation {generation}")

    async def _in_all(self, id_: str, work: Callable[[Replays], Awaitable[Entry]]) -> Entry:
        """Does it in every generation that is fed here and has the entry; answers what is left, of the live one first.

        Raises:
            QuarantineEntryNotFound: none has.
        """
        left: list[Entry] = []
        async with _answered():
            for generation in await self._live_first():
                with nullcontext() if generation.live else silent():
                    try:
                        left.append(await work(self._fed[generation.writers]))
                    except QuarantineEntryNotFound:
                        continue
        if not left:
            raise QuarantineEntryNotFound(id_)
        return worst(left)

    async def _live_first(self) -> list[Generation]:
        """The generations that are fed here, as soon as the live one is."""
        while True:
            fed = [each for each in await self._generations.all() if each.writers in self._fed]
            if any(each.live for each in fed):
                return sorted(fed, key=lambda each: (each.live, each.number), reverse=True)
            await asyncio.sleep(_POLL_SECONDS)


def worst(left: Sequence[Entry]) -> Entry:
    """What is left of an entry in several places: the first that is quarantined, or else the first that is kept."""
    kept = [each for each in left if each is not None]
    bad = (each for each in kept if each.state == pb.QUARANTINE_STATE_QUARANTINED)
    return next(bad, kept[0] if kept else None)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            yield
    except (Outage, TimeoutError) as error:
        raise ReadModelUnavailable("the quarantine, or what a replay needs, cannot be reached now") from error
