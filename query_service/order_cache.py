"""Views of orders in Redis, which may be away, slow or full of garbage without an answer becoming wrong."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError
from opentelemetry import metrics, trace
from redis.exceptions import RedisError, ResponseError

from orderflow.common.v1 import consistency_pb2
from orderflow.orders.v1 import views_pb2
from query_service import shown_views
from query_service.stored_order import StoredOrder
from service_kit.gathering import Gathering
from service_kit.view_cache import Absent, CachedView, Lease, ViewCache

Answer = TypeVar("Answer")
CONNECTIONS = 50
"""To Redis; no more calls are made at once."""
_HIT = "orderflow.cache.hit"
_MOST_AT_ONCE = 100
"""Orders that one round trip looks up, so that Redis answers it well before it is taken for slow."""
_BYPASS_SECONDS = 1.0
_LEASE = timedelta(seconds=3)
_ABSENT = timedelta(seconds=1)
_log = structlog.get_logger("query_service.order_cache")


class OrderCache:
    """Looks orders up in Redis and puts them there; once Redis did not answer it is not asked for a second.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, views: ViewCache, clock: Callable[[], float] = time.monotonic) -> None:
        self._views = views
        self._clock = clock
        self._bypass_until = 0.0
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._looking = Gathering(self._look_up, most_keys=_MOST_AT_ONCE)
        self._lookups = metrics.get_meter("query_service").create_counter(
            "orderflow.cache.lookups", unit="{lookup}", description="Orders looked up in the cache, by hit or miss."
        )

    async def get(self, order_id: str) -> StoredOrder | Absent | None:
        """The cached view of the order, or that there was none a moment ago; None where the cache is of no use."""
        order = None if self.is_away else await self._looking.get(order_id)
        hit = order is not None
        trace.get_current_span().set_attribute(_HIT, hit)
        self._lookups.add(1, {_HIT: hit})
        return order

    async def peek(self, order_id: str) -> StoredOrder | Absent | None:
        """The same as it is now, for who waits for it: neither shared nor counted nor noted in the span."""
        return _order_of(order_id, await self._asked(partial(self._views.look_up, order_id), None))

    async def lease(self, order_id: str) -> Lease:
        """Who is to read the order that the cache has not: the caller where the cache does not answer."""
        return await self._asked(partial(self._views.lease, order_id, _LEASE), Lease.OURS)

    async def release(self, order_id: str) -> None:
        """Lets another read the order that the caller had the lease of and did not put."""
        await self._asked(partial(self._views.release, order_id), None)

    async def put(self, order: StoredOrder) -> None:
        """Keeps the view unless a newer one is kept."""
        view = order.view
        entry = CachedView(
            order.generation, view.version, view.customer_version, view.SerializeToString(), order.project_time_us
        )
        await self._asked(partial(self._views.put, view.order_id, entry), False)  # noqa: FBT003

    async def put_absent(self, order_id: str) -> None:
        """Keeps for a second that there is no such order, unless a view is kept or comes."""
        await self._asked(partial(self._views.put_absent, order_id, _ABSENT), None)

    async def _look_up(self, order_ids: Sequence[str]) -> Sequence[StoredOrder | Absent | None]:
        nothing: Sequence[CachedView | Absent | None] = [None] * len(order_ids)
        entries = await self._asked(partial(self._views.look_up_all, order_ids), nothing)
        return [_order_of(*each) for each in zip(order_ids, entries, strict=True)]

    async def _asked(self, ask: Callable[[], Awaitable[Answer]], otherwise: Answer) -> Answer:
        """What the cache answers; what to do otherwise where it does not, or the key holds something else."""
        async with self._slots:  # who waits for a connection is not told that the cache is slow
            if self.is_away:
                return otherwise
            try:
                return await ask()
            except ResponseError:
                return otherwise
            except RedisError as error:
                self._bypass(error)
                return otherwise

    @property
    def is_away(self) -> bool:
        """Whether Redis did not answer a moment ago, so that it is not asked."""
        return self._clock() < self._bypass_until

    def _bypass(self, error: RedisError) -> None:
        self._bypass_until = self._clock() + _BYPASS_SECONDS
        _log.warning("cache away", error=type(error).__name__)


def _order_of(order_id: str, entry: CachedView | Absent | None) -> StoredOrder | Absent | None:
    """The order in a cache entry; None also where the entry is not what its key and versions say."""
    if not isinstance(entry, CachedView):
        return entry
    try:
        view = shown_views.merge(views_pb2.OrderView(), entry.view)
    except DecodeError:
        return None
    if (view.order_id, view.version, view.customer_version) != (order_id, entry.version, entry.source_version):
        return None
    return StoredOrder(view, consistency_pb2.READ_SOURCE_CACHE, entry.generation, entry.project_time_us)
