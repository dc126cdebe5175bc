"""Fulfillments for tests: their events with defaults, and given/when/then for what may be recorded."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, cast

from google.protobuf.message import Message

from command_service.fulfillment.decider import decide
from command_service.fulfillment.state import Fulfillment, evolve
from command_service.timestamps import stamp
from event_schemas.fulfillment import FulfillmentEvent
from orderflow.fulfillment.v1 import commands_pb2 as commands
from orderflow.fulfillment.v1 import events_pb2 as events
from tests.support.orders import NOW, ORDER_ID, Given

DEADLINE = NOW + timedelta(hours=1)
_FIELDS = {
    field.message_type.full_name: field.name
    for field in events.FulfillmentEvent.DESCRIPTOR.fields
    if field.message_type is not None
}


def started(items: Mapping[str, int] | None = None) -> events.FulfillmentStarted:
    """It has begun, for three pens and an ink unless told otherwise."""
    wanted = {"PEN-1": 3, "INK": 1} if items is None else items
    lines = [events.FulfillmentLine(sku=sku, quantity=quantity) for sku, quantity in wanted.items()]
    return events.FulfillmentStarted(order_id=ORDER_ID, lines=lines, start_time=stamp(NOW))


def item_reserved(sku: str = "PEN-1") -> events.ItemReserved:
    """A product is reserved."""
    return events.ItemReserved(order_id=ORDER_ID, sku=sku, reserve_time=stamp(NOW))


def payment_awaited(deadline: datetime = DEADLINE) -> events.PaymentAwaited:
    """It waits for the payment."""
    return events.PaymentAwaited(order_id=ORDER_ID, payment_deadline_time=stamp(deadline), await_time=stamp(NOW))


def payment_completed() -> events.PaymentCompleted:
    """The order is paid."""
    return events.PaymentCompleted(order_id=ORDER_ID, complete_time=stamp(NOW))


def shipment_awaited() -> events.ShipmentAwaited:
    """The order is confirmed."""
    return events.ShipmentAwaited(order_id=ORDER_ID, await_time=stamp(NOW))


def commitment_started() -> events.CommitmentStarted:
    """The order was shipped."""
    return events.CommitmentStarted(order_id=ORDER_ID, start_time=stamp(NOW))


def item_committed(sku: str = "PEN-1") -> events.ItemCommitted:
    """A product was taken off the stock."""
    return events.ItemCommitted(order_id=ORDER_ID, sku=sku, commit_time=stamp(NOW))


def fulfillment_completed() -> events.FulfillmentCompleted:
    """It is complete."""
    return events.FulfillmentCompleted(order_id=ORDER_ID, complete_time=stamp(NOW))


def compensation_started(reason: str = "out of pens") -> events.CompensationStarted:
    """The order is given up."""
    return events.CompensationStarted(order_id=ORDER_ID, cancel_reason=reason, start_time=stamp(NOW))


def item_released(sku: str = "PEN-1") -> events.ItemReleased:
    """A product was released."""
    return events.ItemReleased(order_id=ORDER_ID, sku=sku, release_time=stamp(NOW))


def item_abandoned(sku: str = "PEN-1") -> events.ItemAbandoned:
    """A product's stock item refused."""
    return events.ItemAbandoned(order_id=ORDER_ID, sku=sku, cause="NOT_ALLOWED_IN_STATUS: no", abandon_time=stamp(NOW))


def fulfillment_cancelled() -> events.FulfillmentCancelled:
    """It is cancelled."""
    return events.FulfillmentCancelled(order_id=ORDER_ID, cancel_time=stamp(NOW))


def attempt_failed() -> events.AttemptFailed:
    """A call failed."""
    return events.AttemptFailed(order_id=ORDER_ID, call="ReserveStock", error="UNAVAILABLE: away", fail_time=stamp(NOW))


RESERVED: list[Message] = [started(), item_reserved(), item_reserved("INK")]
HISTORIES: dict[str, list[Message]] = {
    "NONE": [],
    "RESERVING": [started(), item_reserved()],
    "AWAITING_PAYMENT": [*RESERVED, payment_awaited()],
    "CONFIRMING": [*RESERVED, payment_completed()],
    "AWAITING_SHIPMENT": [*RESERVED, payment_completed(), shipment_awaited()],
    "COMMITTING": [*RESERVED, payment_completed(), shipment_awaited(), commitment_started()],
    "COMPLETED": [
        *RESERVED,
        *(payment_completed(), shipment_awaited(), commitment_started()),
        *(item_committed(), item_committed("INK"), fulfillment_completed()),
    ],
    "COMPENSATING": [started(), item_reserved(), compensation_started()],
    "CANCELLED": [
        *(started(), item_reserved(), compensation_started()),
        *(item_released(), item_released("INK"), fulfillment_cancelled()),
    ],
}
"""One for each step."""


def fulfillment(*history: Message) -> Fulfillment:
    """The fulfillment after these events."""
    return reduce(evolve, cast("Sequence[FulfillmentEvent]", history), Fulfillment())


def recorded(event: Message) -> commands.RecordProgressRequest:
    """Asks for an event to be recorded."""
    progress: dict[str, Any] = {_FIELDS[event.DESCRIPTOR.full_name]: event}
    return commands.RecordProgressRequest(order_id=ORDER_ID, progress=events.FulfillmentEvent(**progress))


def given(*history: Message) -> Given:
    """A fulfillment with this history."""
    state = fulfillment(*history)
    return Given(lambda event: decide(recorded(event), state, NOW))
