"""Reads one order: from the cache, else from the index; waits for what the caller must see."""

from datetime import timedelta

from opentelemetry import trace

from orderflow.common.v1 import consistency_pb2
from orderflow.orders.v1 import queries_pb2, views_pb2
from query_service import read_mask
from query_service.consistency import Wanted, wait_until_visible, wanted_by
from query_service.deadline import Deadline
from query_service.errors import EventualConsistencyTimeout, OrderNotFound
from query_service.order_cache import OrderCache
from query_service.order_reads import OrderReads
from query_service.past_orders import PastOrders
from query_service.stored_order import StoredOrder
from service_kit.view_cache import Absent

_NEVER_STALE = consistency_pb2.ViewFreshness(source=consistency_pb2.READ_SOURCE_EVENT_LOG)


class GetOrder:
    """The use case GetOrder.

    Args:
        wait_seconds: longest wait for a wanted version or token.
    """

    def __init__(self, cache: OrderCache, reads: OrderReads, past: PastOrders, *, wait_seconds: float) -> None:
        self._cache = cache
        self._reads = reads
        self._past = past
        self._wait_seconds = wait_seconds

    async def __call__(self, request: queries_pb2.GetOrderRequest, deadline: Deadline) -> queries_pb2.GetOrderResponse:
        """The order as it is now, or as it was.

        Raises:
            ServiceError: each that the contract names for GetOrder.
        """
        order_id = request.order_id.lower()
        trace.get_current_span().set_attributes({"orderflow.query.type": "GetOrder", "orderflow.order.id": order_id})
        read_mask.check(request.read_mask)
        wanted = wanted_by(request.consistency_tokens)
        if request.HasField("at_version") or request.HasField("as_of_time"):
            view, freshness = await self._past.order(order_id, request, deadline), _NEVER_STALE
        else:
            min_version = max(request.min_version, wanted.orders.get(order_id, 0))
            view, freshness = await self._present(order_id, min_version, wanted, deadline)
        return queries_pb2.GetOrderResponse(order=read_mask.apply(request.read_mask, view), freshness=freshness)

    async def _present(
        self, order_id: str, min_version: int, wanted: Wanted, deadline: Deadline
    ) -> tuple[views_pb2.OrderView, consistency_pb2.ViewFreshness]:
        newest = min_version > 0 or wanted.token_count > 0

        async def read() -> StoredOrder:
            order = await self._cache.get(order_id)
            if not _shows(order, min_version, wanted):
                order = await self._reads.order(order_id, order, deadline, newest=newest)
            if isinstance(order, StoredOrder):
                if unseen := _unseen(order.view, min_version, wanted):
                    raise unseen
                return order
            if min_version == 0:
                raise OrderNotFound(f"there is no order {order_id}")
            raise EventualConsistencyTimeout(f"order/{order_id}", wanted=min_version, seen=0)

        order, waited = await wait_until_visible(read, self._wait_seconds, deadline)
        hit = order.source == consistency_pb2.READ_SOURCE_CACHE
        trace.get_current_span().set_attribute("orderflow.cache.hit", hit)
        return order.view, _freshness(order, waited)


def _shows(cached: StoredOrder | Absent | None, min_version: int, wanted: Wanted) -> bool:
    """Whether the cache's answer will do: what must be seen overrules that there was no such order."""
    if isinstance(cached, StoredOrder):
        return _unseen(cached.view, min_version, wanted) is None
    return cached is not None and min_version == 0


def _unseen(view: views_pb2.OrderView, min_version: int, wanted: Wanted) -> EventualConsistencyTimeout | None:
    """What the view does not show although it must: a version of the order or of its customer."""
    if view.version < min_version:
        return EventualConsistencyTimeout(f"order/{view.order_id}", wanted=min_version, seen=view.version)
    customer_version = wanted.customers.get(view.customer_id, 0)
    if view.customer_version < customer_version:
        customer = f"customer/{view.customer_id}"
        return EventualConsistencyTimeout(customer, wanted=customer_version, seen=view.customer_version)
    return None


def _freshness(order: StoredOrder, waited: timedelta) -> consistency_pb2.ViewFreshness:
    freshness = consistency_pb2.ViewFreshness(source=order.source)
    freshness.wait_duration.FromTimedelta(waited)
    if order.project_time_us:
        freshness.project_time.FromMicroseconds(order.project_time_us)
    return freshness
