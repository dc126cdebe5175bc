"""Puts the newest views into Redis, which may be away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice

import structlog
from cachetools import LRUCache
from redis.exceptions import RedisError

from projector.documents import Document
from service_kit.view_cache import CachedView, ViewCache

_AT_ONCE = 500
_RETRY_SECONDS = 1.0
_log = structlog.get_logger("projector")


class CachedViews:
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
        self, cache: ViewCache, *, generation: int, live: Callable[[], Awaitable[bool]], most_owed: int = 10_000
    ) -> None:
        self._cache = cache
        self._live = live
        self._generation = generation
        self._owed: LRUCache[str, CachedView] = LRUCache(most_owed)
        self._away = False

    async def put(self, documents: Mapping[str, Document]) -> None:
        """Puts the documents' views; while the cache is away that takes no time.

        Raises:
            Outage: the process is to stop, and it is not known whether readers see the generation.
        """
        if not documents or not await self._live():
            return
        self._owed.update({id_: self._entry(document) for id_, document in documents.items()})
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
            while some := dict(islice(self._owed.items(), _AT_ONCE)):
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

    def _entry(self, document: Document) -> CachedView:
        view = document.view
        return CachedView(
            generation=self._generation,
            version=view.version,
            source_version=view.customer_version,
            view=view.SerializeToString(),
            project_time_us=document.project_time_us,
        )
