"""An order's events from the log itself, for what Kafka did not bring."""

from collections.abc import Sequence

import grpc

from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from projector.errors import EventLogAway, EventsMissing
from projector.events import OrderEvent, order_event

_ORDER = "order"


class EventLog:
    """Reads ranges of orders' events from EventLogService.

    Args:
        channel: to the command service.
        timeout_seconds: of a call, its retries included.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        self._service = event_log_pb2_grpc.EventLogServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def read(self, order_id: str, after: int, to: int) -> Sequence[OrderEvent]:
        """The order's events after version `after`, up to and with version `to`.

        Raises:
            EventLogAway: the service does not answer in time.
            EventsMissing: the log does not have them all.
            Undecodable: the log has one of a type that is not known here.
        """
        request = event_log_pb2.ReadAggregateRequest(
            aggregate_type=_ORDER, aggregate_id=order_id, after_version=after, to_version=to
        )
        events: list[OrderEvent] = []
        try:
            async for chunk in self._service.ReadAggregate(request, timeout=self._timeout_seconds):
                events.extend(order_event(recorded) for recorded in chunk.events)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise EventsMissing(f"the event log knows no order {order_id!r}") from error
            raise EventLogAway(f"EventLogService answers {error.code().name}") from error
        if [each.version for each in events] != list(range(after + 1, to + 1)):
            raise EventsMissing(f"order {order_id}: the event log lacks versions in {after + 1}..{to}")
        return events
