"""The events of a fulfillment, as they are stored."""

from typing import TypeAlias, get_args

from event_schemas.event_types import EventTypes
from orderflow.fulfillment.v1 import events_pb2

FulfillmentEvent: TypeAlias = (
    events_pb2.FulfillmentStarted
    | events_pb2.ItemReserved
    | events_pb2.PaymentAwaited
    | events_pb2.PaymentCompleted
    | events_pb2.ShipmentAwaited
    | events_pb2.CommitmentStarted
    | events_pb2.ItemCommitted
    | events_pb2.FulfillmentCompleted
    | events_pb2.CompensationStarted
    | events_pb2.ItemReleased
    | events_pb2.ItemAbandoned
    | events_pb2.FulfillmentCancelled
    | events_pb2.AttemptFailed
)
EVENT_TYPES: EventTypes[FulfillmentEvent] = EventTypes(get_args(FulfillmentEvent))
