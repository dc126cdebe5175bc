"""The rules of what may be recorded of a fulfillment: from what happened and the present state to an event."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from google.protobuf.message import Message

from command_service.errors import NotAllowedInStatus
from command_service.fulfillment.state import Fulfillment, Held, Step
from command_service.timestamps import stamp
from event_schemas.fulfillment import FulfillmentEvent
from orderflow.fulfillment.v1 import commands_pb2 as commands
from orderflow.fulfillment.v1 import events_pb2 as events

_LEAVES_RESERVING = {
    events.PaymentAwaited,
    events.PaymentCompleted,
    events.ShipmentAwaited,
}
"""Only with every item reserved."""
RECORDABLE: Mapping[Step, AbstractSet[type[Message]]] = {
    Step.NONE: {events.FulfillmentStarted},
    Step.RESERVING: {
        events.ItemReserved,
        *_LEAVES_RESERVING,
        events.CommitmentStarted,
        events.CompensationStarted,
        events.AttemptFailed,
    },
    Step.AWAITING_PAYMENT: {
        events.PaymentCompleted,
        events.ShipmentAwaited,
        events.CommitmentStarted,
        events.CompensationStarted,
        events.AttemptFailed,
    },
    Step.CONFIRMING: {
        events.PaymentAwaited,
        events.ShipmentAwaited,
        events.CommitmentStarted,
        events.CompensationStarted,
        events.AttemptFailed,
    },
    Step.AWAITING_SHIPMENT: {events.CommitmentStarted, events.CompensationStarted},
    Step.COMMITTING: {
        events.ItemReserved,
        events.ItemCommitted,
        events.ItemAbandoned,
        events.FulfillmentCompleted,
        events.AttemptFailed,
    },
    Step.COMPENSATING: {
        events.ItemReleased,
        events.ItemAbandoned,
        events.FulfillmentCancelled,
        events.CommitmentStarted,
        events.AttemptFailed,
    },
    Step.COMPLETED: set(),
    Step.CANCELLED: set(),
}
_ITEMS: Mapping[type[Message], AbstractSet[Held]] = {
    events.ItemReserved: {Held.WANTED, Held.UNTOUCHED},
    events.ItemCommitted: {Held.RESERVED},
    events.ItemReleased: {Held.WANTED, Held.RESERVED},
    events.ItemAbandoned: {Held.WANTED, Held.RESERVED, Held.UNTOUCHED},
}
"""What an item must be before its event."""
_SETTLED: Mapping[type[Message], AbstractSet[Held]] = {
    events.FulfillmentCompleted: {Held.COMMITTED, Held.ABANDONED},
    events.FulfillmentCancelled: {Held.RELEASED, Held.ABANDONED, Held.UNTOUCHED},
}
"""What every item must be before the end."""
_TIMES: Mapping[type[Message], str] = {
    events.FulfillmentStarted: "start_time",
    events.ItemReserved: "reserve_time",
    events.PaymentAwaited: "await_time",
    events.PaymentCompleted: "complete_time",
    events.ShipmentAwaited: "await_time",
    events.CommitmentStarted: "start_time",
    events.ItemCommitted: "commit_time",
    events.FulfillmentCompleted: "complete_time",
    events.CompensationStarted: "start_time",
    events.ItemReleased: "release_time",
    events.ItemAbandoned: "abandon_time",
    events.FulfillmentCancelled: "cancel_time",
    events.AttemptFailed: "fail_time",
}


def decide(command: commands.RecordProgressRequest, before: Fulfillment, now: datetime) -> list[FulfillmentEvent]:
    """The event to store: the one that the command brings, with its time.

    Args:
        command: names the version that it was decided on, except to begin.
        now: the time that goes into the event.

    Raises:
        NotAllowedInStatus: it does not follow from the present state.
    """
    brought = command.progress.WhichOneof("event")
    event: FulfillmentEvent = type(getattr(command.progress, brought or ""))()
    event.CopyFrom(getattr(command.progress, brought or ""))
    if not _follows(event, before):
        raise NotAllowedInStatus(
            f"{type(event).__name__} does not follow while the fulfillment is {before.step}",
            subject=f"fulfillment/{command.order_id}",
            metadata={"current_status": str(before.step), "current_version": str(before.version)},
        )
    event.order_id = command.order_id
    getattr(event, _TIMES[type(event)]).CopyFrom(stamp(now))
    return [event]


def _follows(event: FulfillmentEvent, before: Fulfillment) -> bool:
    kind = type(event)
    if kind not in RECORDABLE[before.step]:
        return False
    held = {each.held for each in before.items.values()}
    if kind in _SETTLED:
        return held <= _SETTLED[kind]
    if before.step is Step.RESERVING and kind in _LEAVES_RESERVING:
        return held == {Held.RESERVED}
    if kind in _ITEMS:
        item = before.items.get(getattr(event, "sku", ""))
        return item is not None and item.held in _ITEMS[kind]
    return True
