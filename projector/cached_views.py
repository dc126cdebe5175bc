"""Puts the newest views into Redis, which may be away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Generic

import structlog
from cachetools import LRUCache
from redis.exceptions import RedisError

from projector.documents import Document
from read_models.read_model import AnyView, ReadModel
from service_kit.view_cache import CachedView, ViewCache

_AT_ONCE = 500
_BYTES_AT_ONCE = 1024 * 1024
_RETRY_SECONDS = 1.0
_log = structlog.get_logger("projector")


class CachedViews(Generic[AnyView]):
    """Puts every written view into the cache, and owes it what it could not take.

    While Redis is away the projection goes on. The views not put, the newest state of each, are kept and put when
    Redis is back, so that no older entry outlives the outage. Where that would be more than `most_owed`, or when
    this process dies meanwhile, an older entry stays until its time to live is over.

    Args:
        generation: of the index that the views belong to.
        live: whether readers see that generation now. Only then are views put, and it is asked after they were
            written: a reader that moves to the generation later reads no older ones from it.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        cache: ViewCache,
        *,
        generation: int,
        live: Callable[[], Awaitable[bool]],
        most_owed: int = 10_000,
    ) -> None:
        self._read_model = read_model
        self._cache = cache
        self._live = live
        self._generation = generation
        self._owed: LRUCache[str, CachedView] = LRUCache(most_owed)
        self._away = False

    async def put(self, documents: Mapping[str, Document[AnyView]]) -> None:
        """Puts the documents' views; while the cache is away that takes no time.

        Raises:
            Outage: the process is to stop, and it is not known whether readers see the generation.
        """
        if not documents or not await self._live():
            return
        for id_, document in documents.items():
            if document.view is not None:
                self._owe(id_, self._entry(document.view, document.project_time_us))
        if not self._away:
            await self.pay()

    async def keep_paying(self) -> None:
        """Puts what is owed when the cache is back; runs until it is cancelled."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            if self._away:
                await self.pay()

    async def pay(self) -> None:
        """Puts what is owed, as far as the cache takes it."""
        try:
            while some := self._portion():
                await self._cache.put_all(some)
                for id_, entry in some.items():
                    if self._owed.get(id_) is entry:
                        del self._owed[id_]
        except RedisError as error:
            if not self._away:
                _log.warning("cache away; its entries follow", error=type(error).__name__)
            self._away = True
        else:
            if self._away:
                _log.info("cache back, and up to date")
            self._away = False

    def _owe(self, id_: str, entry: CachedView) -> None:
        """Notes an entry, unless a newer one is owed: what was read longer ago may come later."""
        owed = self._owed.get(id_)
        if owed is None or (owed.version, owed.source_version) <= (entry.version, entry.source_version):
            self._owed[id_] = entry

    def _portion(self) -> Mapping[str, CachedView]:
        """Some of what is owed: few enough, and small enough, for one call."""
        some: dict[str, CachedView] = {}
        size = 0
        for id_, entry in islice(self._owed.items(), _AT_ONCE):
            size += len(entry.view)
            if some and size > _BYTES_AT_ONCE:
                break
            some[id_] = entry
        return some

    def _entry(self, view: AnyView, project_time_us: int) -> CachedView:
        return CachedView(
            generation=self._generation,
            version=view.version,
            source_version=self._read_model.source_version(view),
            view=view.SerializeToString(),
            project_time_us=project_time_us,
        )
