"""Shows what happened to an order, event by event."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from opentelemetry import trace

from event_schemas.event_types import UnknownEvent
from event_schemas.orders import EVENT_TYPES
from orderflow.common.v1 import personal_data_pb2
from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import events_pb2, queries_pb2
from query_service.deadline import Deadline
from query_service.errors import OrderNotFound
from query_service.event_log import EventLog
from query_service.personal_data import PersonalData
from service_kit.telemetry import span_context_of

_CHUNK_EVENTS = 100
_FIELDS = {
    field.message_type.full_name: field.name
    for field in events_pb2.OrderEvent.DESCRIPTOR.fields
    if field.message_type is not None
}


class GetOrderHistory:
    """The use case GetOrderHistory."""

    def __init__(self, log: EventLog, personal_data: PersonalData) -> None:
        self._log = log
        self._personal_data = personal_data

    async def __call__(
        self, request: queries_pb2.GetOrderHistoryRequest, deadline: Deadline
    ) -> AsyncGenerator[queries_pb2.GetOrderHistoryResponse, None]:
        """The chunks of the history; none when nothing happened after the given version.

        Raises:
            OrderNotFound: the order has no events at all.
            EventLogUnavailable: the event log is away.
        """
        order_id = request.order_id.lower()
        trace.get_current_span().set_attributes(
            {"orderflow.query.type": "GetOrderHistory", "orderflow.order.id": order_id}
        )
        asked = event_log_pb2.ReadAggregateRequest(
            aggregate_type="order", aggregate_id=order_id, after_version=request.after_version
        )
        found = False
        async with aclosing(self._log.chunks(asked, deadline)) as chunks:
            async for events in chunks:
                for begin in range(0, len(events), _CHUNK_EVENTS):
                    found = True
                    shown = [_shown(each) for each in events[begin : begin + _CHUNK_EVENTS]]
                    for each in shown:
                        await self._open(order_id, each.event, deadline)
                    yield queries_pb2.GetOrderHistoryResponse(events=shown)
        if not found and not await self._exists(order_id, deadline):
            raise OrderNotFound(f"there is no order {order_id}")

    async def _open(self, order_id: str, event: events_pb2.OrderEvent, deadline: Deadline) -> None:
        """Shows what an event holds sealed of a person, unless that is gone for ever: then it shows nothing of it."""
        name = event.WhichOneof("event")
        happened = getattr(event, name) if name else None
        if happened is None or "personal_data" not in happened.DESCRIPTOR.fields_by_name:
            return
        personal = happened.personal_data
        if not personal.key_id:
            return
        sealed = personal_data_pb2.SealedPersonalData(
            key_id=personal.key_id,
            aggregate_id=order_id,
            event_type=happened.DESCRIPTOR.full_name,
            sealed=personal.sealed,
        )
        personal.ParseFromString(await self._personal_data.open(sealed, deadline))

    async def _exists(self, order_id: str, deadline: Deadline) -> bool:
        first = event_log_pb2.ReadAggregateRequest(aggregate_type="order", aggregate_id=order_id, to_version=1)
        async with aclosing(self._log.chunks(first, deadline)) as chunks:
            return any([len(events) async for events in chunks])


def _shown(recorded: event_log_pb2.RecordedEvent) -> queries_pb2.RecordedOrderEvent:
    trace_id = span_context_of(recorded.metadata.traceparent).trace_id
    shown = queries_pb2.RecordedOrderEvent(
        version=recorded.version,
        record_time=recorded.record_time,
        actor=recorded.metadata.principal,
        trace_id=trace.format_trace_id(trace_id) if trace_id else "",
    )
    with suppress(UnknownEvent):  # one that a newer command service has stored is shown without its contents
        event = EVENT_TYPES.parse(recorded.event_type, recorded.event_data)
        getattr(shown.event, _FIELDS[event.DESCRIPTOR.full_name]).CopyFrom(event)
    return shown
