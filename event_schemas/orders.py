"""The events of an order, as they are stored."""

from typing import TypeAlias, get_args

from event_schemas.event_types import EventTypes
from orderflow.orders.v1 import events_pb2

OrderEvent: TypeAlias = (
    events_pb2.OrderCreated
    | events_pb2.ItemAdded
    | events_pb2.ItemRemoved
    | events_pb2.PaymentProcessed
    | events_pb2.RefundRecorded
    | events_pb2.OrderConfirmed
    | events_pb2.OrderShipped
    | events_pb2.OrderDelivered
    | events_pb2.OrderCancelled
)
EVENT_TYPES: EventTypes[OrderEvent] = EventTypes(get_args(OrderEvent))
