"""The quarantines of all projections of a process, as operators ask for them: by projection, or for all at once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from projector.errors import GenerationNotFound, ProjectionNotFound, QuarantineEntryNotFound
from projector.quarantine import Page, Record, States
from projector.quarantine_admin import Entry, QuarantineAdmin, worst


class Quarantines:
    """Asks those of one projection, or of each that may have an entry, in order of name.

    All methods raise ReadModelUnavailable as QuarantineAdmin does, and ProjectionNotFound where the one that is named
    does not run here.

    Args:
        admins: by the projections' names, in order.
    """

    def __init__(self, admins: Mapping[str, QuarantineAdmin]) -> None:
        self._admins = admins

    async def pages(self, projection: str, generation: int, states: States) -> AsyncIterator[Page]:
        """See `QuarantineAdmin.pages`; without a projection, of each that has such a generation, one at least."""
        known = False
        for each in self._asked(projection):
            with suppress(GenerationNotFound):
                async for page in each.pages(generation, states):
                    yield page
                known = True
        if not known:
            raise GenerationNotFound(f"there is no generation {generation}")

    async def get(self, projection: str, generation: int, id_: str) -> Record:
        """See `QuarantineAdmin.get`; without a projection, of the first that has the entry."""
        refusal: Exception = QuarantineEntryNotFound(id_)
        for each in self._asked(projection, id_):
            try:
                return await each.get(generation, id_)
            except (GenerationNotFound, QuarantineEntryNotFound) as error:
                refusal = error
        raise refusal

    async def replay(self, projection: str, id_: str) -> Entry:
        """See `Replays.replay`; without a projection, in each that has the entry."""
        return await self._in_each(projection, id_, lambda admin: admin.replay(id_))

    async def skip(self, projection: str, id_: str, version: int, actor: str, reason: str) -> Entry:
        """See `Replays.skip`; without a projection, in each that has the entry, until one refuses."""
        return await self._in_each(projection, id_, lambda admin: admin.skip(id_, version, actor, reason))

    async def _in_each(self, projection: str, id_: str, work: Callable[[QuarantineAdmin], Awaitable[Entry]]) -> Entry:
        """Does it where the entry is; answers the worst of what is left."""
        left: list[Entry] = []
        for each in self._asked(projection, id_):
            with suppress(QuarantineEntryNotFound):
                left.append(await work(each))
        if not left:
            raise QuarantineEntryNotFound(id_)
        return worst(left)

    def _asked(self, projection: str, id_: str = "") -> list[QuarantineAdmin]:
        if not projection:
            return [each for each in self._admins.values() if not id_ or each.concerns(id_)]
        if projection not in self._admins:
            raise ProjectionNotFound(projection)
        return [self._admins[projection]]
