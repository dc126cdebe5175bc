"""Makes the stores show an aggregate as it is."""

from collections.abc import Awaitable, Callable
from typing import Generic

from redis.exceptions import RedisError

from projector.audit.sight import Looking, Sight, Stores
from projector.audit.verdicts import Judge, Truth
from projector.bulk import Write, write_in_bulk
from projector.errors import DocumentRejected
from read_models.read_model import AnyView, ReadModel
from service_kit.view_cache import CachedView

_TRIES = 5


class Repair(Generic[AnyView]):
    """Writes what an aggregate is over what a store shows of it, unless that has changed meanwhile.

    It never deletes a document: that the event log has nothing of an aggregate may say more of the log than
    of the aggregate.

    Its methods raise Outage where anything but Redis is away.

    Args:
        is_live: whether readers see the generation.
        now_us: the time in microseconds since 1970.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        stores: Stores,
        looking: Looking[AnyView],
        judge: Judge[AnyView],
        *,
        is_live: Callable[[], Awaitable[bool]],
        now_us: Callable[[], int],
    ) -> None:
        self._read_model = read_model
        self._stores = stores
        self._looking = looking
        self._judge = judge
        self._is_live = is_live
        self._now_us = now_us

    async def document(self, id_: str) -> bool:
        """Re-indexes the aggregate; whether its document is right afterwards."""
        for _ in range(_TRIES):
            sight = await self._look(id_)
            if sight.truth is None or not sight.truth.versions.own:
                return False
            if self._judge.document(sight.stored.source, sight.truth, sight.truth.versions) is None:
                await self._put(sight)
                return True
            if not await self._write(id_, sight, sight.truth):
                return False
        return False

    async def entry(self, id_: str) -> bool:
        """Replaces what Redis has by what the document says; whether it is right afterwards, or there is none."""
        cache = self._stores.cache
        if cache is None:
            return True
        try:
            for _ in range(_TRIES):
                sight = await self._look(id_)
                if sight.truth is None:
                    return False
                if sight.stored.entry is None or self._is_right(id_, sight.stored.entry, sight, sight.truth):
                    return True
                await cache.discard(id_, sight.stored.entry)
                # Only what is read after that is surely not older than what a slow reader puts meanwhile.
                await self._put(await self._look(id_))
        except RedisError:
            return False  # it is away: what is there is looked at again in the next audits
        return False

    async def _look(self, id_: str) -> Sight[AnyView]:
        return (await self._looking.at([id_]))[id_]

    async def _write(self, id_: str, sight: Sight[AnyView], truth: Truth[AnyView]) -> bool:
        """Writes the document as the projection would, over the state in which it was read; whether that can work."""
        view = self._read_model.enrich(truth.views[truth.versions.own], truth.customer)
        write = Write(id_, self._read_model.document(view, project_time_us=self._now_us()), sight.stored.state)
        generation = self._stores.generation
        written = await write_in_bulk(
            self._stores.elasticsearch, generation.index, [write], {}, writers=generation.writers
        )
        return not isinstance(written[id_], DocumentRejected)

    def _is_right(self, id_: str, entry: CachedView, sight: Sight[AnyView], truth: Truth[AnyView]) -> bool:
        due = sight.stored.shown
        return self._judge.entry(id_, entry, truth, due, generation=self._stores.generation.number) is None

    async def _put(self, sight: Sight[AnyView]) -> None:
        """Puts a document's view in Redis, if it is right."""
        cache, view, source = self._stores.cache, sight.stored.view, sight.stored.source
        if view is None or source is None or sight.truth is None or cache is None or not await self._is_live():
            return
        if self._judge.document(source, sight.truth, sight.stored.shown) is not None:
            return
        entry = CachedView(
            generation=self._stores.generation.number,
            version=view.version,
            source_version=self._read_model.source_version(view),
            view=view.SerializeToString(),
            project_time_us=source["project_time_us"],
        )
        try:
            await cache.put(self._read_model.id_of(view), entry)
        except RedisError:
            return  # what is there is judged by itself
