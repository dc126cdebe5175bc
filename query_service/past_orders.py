"""Orders as they were, folded from their events."""

from contextlib import aclosing

from event_schemas.orders import EVENT_TYPES
from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import queries_pb2, views_pb2
from query_service.deadline import Deadline
from query_service.errors import OrderNotFound
from query_service.event_log import EventLog
from query_service.personal_data import PersonalData
from read_models import orders


class PastOrders:
    """Shows an order at a version or a time; its customer's name and e-mail, which its events lack, stay empty.

    Its shipping address is that of the order now: of a customer who was erased since it is empty, too.
    """

    def __init__(self, log: EventLog, personal_data: PersonalData) -> None:
        self._log = log
        self._personal_data = personal_data

    async def order(
        self, order_id: str, request: queries_pb2.GetOrderRequest, deadline: Deadline
    ) -> views_pb2.OrderView:
        """The order at the request's `at_version` or `as_of_time`.

        Raises:
            OrderNotFound: the order does not exist, or did not then, or has no such version yet.
            EventLogUnavailable: the event log is away.
        """
        asked = event_log_pb2.ReadAggregateRequest(aggregate_type="order", aggregate_id=order_id)
        if request.HasField("at_version"):
            asked.to_version = request.at_version
        else:
            asked.to_time.CopyFrom(request.as_of_time)
        view = await self._fold(asked, deadline)
        if view is None:
            raise OrderNotFound(f"there is no order {order_id}, or was none at that time")
        if asked.HasField("to_version") and view.version < asked.to_version:
            raise OrderNotFound(
                f"order {order_id} has no version {asked.to_version} yet, only {view.version}",
                metadata={"current_version": str(view.version)},
            )
        sealed = orders.sealed(view)
        if sealed is None:
            return view
        return orders.opened(view, await self._personal_data.open(sealed, deadline))

    async def _fold(self, asked: event_log_pb2.ReadAggregateRequest, deadline: Deadline) -> views_pb2.OrderView | None:
        view: views_pb2.OrderView | None = None
        async with aclosing(self._log.chunks(asked, deadline)) as chunks:
            async for events in chunks:
                for each in events:
                    view = orders.evolve(view, EVENT_TYPES.parse(each.event_type, each.event_data), each.version)
        return view
