"""Reads an order's fulfillment from the event log."""

from contextlib import aclosing
from typing import Any

from google.type import money_pb2
from opentelemetry import trace

from event_schemas.aggregates import FULFILLMENT, ORDER, Aggregate
from orderflow.events.v1 import event_log_pb2
from orderflow.fulfillment.v1 import events_pb2, fulfillment_pb2, queries_pb2
from orderflow.orders.v1 import order_pb2, views_pb2
from query_service.deadline import Deadline
from query_service.errors import OrderNotFound
from query_service.event_log import EventLog
from read_models import fulfillment, orders
from read_models.money import subtract

_FINAL = {fulfillment_pb2.FULFILLMENT_STEP_COMPLETED, fulfillment_pb2.FULFILLMENT_STEP_CANCELLED}


class GetFulfillment:
    """The use case GetFulfillment."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __call__(
        self, request: queries_pb2.GetFulfillmentRequest, deadline: Deadline
    ) -> queries_pb2.GetFulfillmentResponse:
        """The fulfillment, with what giving the order up would do.

        Raises:
            OrderNotFound: there is no such fulfillment; says why.
            EventLogUnavailable: the event log is away.
        """
        order_id = request.order_id.lower()
        trace.get_current_span().set_attributes(
            {"orderflow.query.type": "GetFulfillment", "orderflow.order.id": order_id}
        )
        found: queries_pb2.GetFulfillmentResponse | None = None
        fulfillment_id = FULFILLMENT.id_of(events_pb2.FulfillmentStarted(order_id=order_id))
        for event, version in await self._events(FULFILLMENT, fulfillment_id, deadline):
            found = fulfillment.evolve(found, event, version)
        order: views_pb2.OrderView | None = None
        for event, version in await self._events(ORDER, order_id, deadline):
            order = orders.evolve(order, event, version)
        if found is None or order is None:
            raise _not_found(order_id, order)
        if found.step not in _FINAL:
            found.compensation.CopyFrom(_compensation(found, order))
        return found

    async def _events(self, aggregate: Aggregate[Any], aggregate_id: str, deadline: Deadline) -> list[tuple[Any, int]]:
        asked = event_log_pb2.ReadAggregateRequest(aggregate_type=aggregate.type, aggregate_id=aggregate_id)
        async with aclosing(self._log.chunks(asked, deadline)) as chunks:
            return [
                (aggregate.events.parse(each.event_type, each.event_data), each.version)
                async for events in chunks
                for each in events
            ]


def _compensation(found: queries_pb2.GetFulfillmentResponse, order: views_pb2.OrderView) -> queries_pb2.Compensation:
    shipped = order.HasField("ship_time")
    due = subtract(order.paid_amount, order.refunded_amount)
    return queries_pb2.Compensation(
        release_skus=[] if shipped else fulfillment.release_skus(found),
        cancels_order=not shipped and order.status != order_pb2.ORDER_STATUS_CANCELLED,
        refund_due=due if due != money_pb2.Money(currency_code=due.currency_code) else None,
    )


def _not_found(order_id: str, order: views_pb2.OrderView | None) -> OrderNotFound:
    if order is None:
        return OrderNotFound(f"there is no order {order_id}")
    mode = order_pb2.FulfillmentMode.Name(order.fulfillment_mode).removeprefix("FULFILLMENT_MODE_")
    if order.fulfillment_mode != order_pb2.FULFILLMENT_MODE_AUTOMATIC:
        why = f"order {order_id} is of {mode} fulfillment: nobody moves it on but by commands"
    else:
        why = f"fulfillment of order {order_id} has not begun"
    return OrderNotFound(why, metadata={"fulfillment_mode": mode})
