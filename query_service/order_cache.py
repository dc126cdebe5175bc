"""Views of orders in Redis, which may be away, slow or full of garbage without an answer becoming wrong."""

import time
from collections.abc import Callable

import structlog
from google.protobuf.message import DecodeError
from opentelemetry import metrics, trace
from redis.exceptions import RedisError, ResponseError

from orderflow.common.v1 import consistency_pb2
from orderflow.orders.v1 import views_pb2
from query_service.stored_order import StoredOrder
from service_kit.view_cache import CachedView, ViewCache

_HIT = "orderflow.cache.hit"
_BYPASS_SECONDS = 1.0
_log = structlog.get_logger("query_service.order_cache")


class OrderCache:
    """Looks orders up in Redis and puts them there; while Redis is away it is asked once a second only.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, views: ViewCache, clock: Callable[[], float] = time.monotonic) -> None:
        self._views = views
        self._clock = clock
        self._bypass_until = 0.0
        self._lookups = metrics.get_meter("query_service").create_counter(
            "orderflow.cache.lookups", unit="{lookup}", description="Orders looked up in the cache, by hit or miss."
        )

    async def get(self, order_id: str) -> StoredOrder | None:
        """The cached view of the order; None where there is none that can be used."""
        order = await self._look_up(order_id)
        hit = order is not None
        trace.get_current_span().set_attribute(_HIT, hit)
        self._lookups.add(1, {_HIT: hit})
        return order

    async def put(self, order: StoredOrder) -> None:
        """Keeps the view unless a newer one is kept."""
        view = order.view
        entry = CachedView(
            order.generation, view.version, view.customer_version, view.SerializeToString(), order.project_time_us
        )
        if self._bypassed:
            return
        try:
            await self._views.put(view.order_id, entry)
        except RedisError as error:
            self._bypass(error)

    async def _look_up(self, order_id: str) -> StoredOrder | None:
        if self._bypassed:
            return None
        try:
            entry = await self._views.get(order_id)
        except ResponseError:
            return None  # the key holds something else
        except RedisError as error:
            self._bypass(error)
            return None
        return None if entry is None else _order_of(order_id, entry)

    @property
    def _bypassed(self) -> bool:
        return self._clock() < self._bypass_until

    def _bypass(self, error: RedisError) -> None:
        self._bypass_until = self._clock() + _BYPASS_SECONDS
        _log.warning("cache away", error=type(error).__name__)


def _order_of(order_id: str, entry: CachedView) -> StoredOrder | None:
    """The order in a cache entry; None where the entry is not what its key and versions say."""
    try:
        view = views_pb2.OrderView.FromString(entry.view)
    except DecodeError:
        return None
    if (view.order_id, view.version, view.customer_version) != (order_id, entry.version, entry.source_version):
        return None
    return StoredOrder(view, consistency_pb2.READ_SOURCE_CACHE, entry.generation, entry.project_time_us)
