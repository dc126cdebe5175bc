"""A fulfillment as the rules see it, and how each event changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import assert_never

from command_service.timestamps import moment_of
from event_schemas.fulfillment import FulfillmentEvent
from orderflow.fulfillment.v1 import events_pb2 as events


class Step(StrEnum):
    """Where a fulfillment is; NONE before it has begun, the others as in the contract."""

    NONE = "NONE"
    RESERVING = "RESERVING"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    CONFIRMING = "CONFIRMING"
    AWAITING_SHIPMENT = "AWAITING_SHIPMENT"
    COMMITTING = "COMMITTING"
    COMPLETED = "COMPLETED"
    COMPENSATING = "COMPENSATING"
    CANCELLED = "CANCELLED"


class Held(StrEnum):
    """What became of one product of the order, as far as it is recorded."""

    WANTED = "WANTED"
    RESERVED = "RESERVED"
    RELEASED = "RELEASED"
    COMMITTED = "COMMITTED"
    ABANDONED = "ABANDONED"
    UNTOUCHED = "UNTOUCHED"


@dataclass(frozen=True, slots=True)
class Item:
    """How many of a product the order needs, and what became of it."""

    quantity: int
    held: Held = Held.WANTED


@dataclass(frozen=True, slots=True)
class Fulfillment:
    """A fulfillment's state after the first `version` of its events; version 0 is none.

    Args:
        items: by SKU, in the order in which they are reserved.
        payment_deadline: on the database's clock.
        attempts: failures in a row since something else was recorded.
    """

    order_id: str = ""
    version: int = 0
    step: Step = Step.NONE
    items: Mapping[str, Item] = field(default_factory=dict)
    payment_deadline: datetime | None = None
    cancel_reason: str = ""
    attempts: int = 0

    def first(self, *held: Held) -> str | None:
        """The SKU of the first item of which that became; None where there is none."""
        return next((sku for sku, item in self.items.items() if item.held in held), None)

    def with_item(self, sku: str, held: Held) -> Mapping[str, Item]:
        """The items, this one as it is now."""
        return {**self.items, sku: replace(self.items.get(sku, Item(0)), held=held)}

    def items_given_up(self) -> Mapping[str, Item]:
        """The items when the order is given up, those that were never asked for as UNTOUCHED.

        Items are asked for one after the other, each only when the one before is recorded as reserved. So at most the
        first that is WANTED can be on its way, and stays WANTED: it has to be released, too.
        """
        asked = self.first(Held.WANTED)
        return {
            sku: replace(item, held=Held.UNTOUCHED) if item.held is Held.WANTED and sku != asked else item
            for sku, item in self.items.items()
        }


def evolve(before: Fulfillment, event: FulfillmentEvent) -> Fulfillment:  # noqa: C901, PLR0911, PLR0912 -- one answer an event
    """The fulfillment after an event; it happened, so nothing is refused here."""
    after = partial(replace, before, order_id=event.order_id, version=before.version + 1, attempts=0)
    match event:
        case events.FulfillmentStarted():
            return after(step=Step.RESERVING, items={each.sku: Item(each.quantity) for each in event.lines})
        case events.ItemReserved():
            return after(items=before.with_item(event.sku, Held.RESERVED))
        case events.PaymentAwaited():
            return after(step=Step.AWAITING_PAYMENT, payment_deadline=moment_of(event.payment_deadline_time))
        case events.PaymentCompleted():
            return after(step=Step.CONFIRMING, payment_deadline=None)
        case events.ShipmentAwaited():
            return after(step=Step.AWAITING_SHIPMENT, payment_deadline=None)
        case events.CommitmentStarted():
            return after(step=Step.COMMITTING, payment_deadline=None, cancel_reason="")
        case events.ItemCommitted():
            return after(items=before.with_item(event.sku, Held.COMMITTED))
        case events.FulfillmentCompleted():
            return after(step=Step.COMPLETED, payment_deadline=None)
        case events.CompensationStarted():
            return after(
                step=Step.COMPENSATING,
                items=before.items_given_up(),
                payment_deadline=None,
                cancel_reason=event.cancel_reason,
            )
        case events.ItemReleased():
            return after(items=before.with_item(event.sku, Held.RELEASED))
        case events.ItemAbandoned():
            return after(items=before.with_item(event.sku, Held.ABANDONED))
        case events.FulfillmentCancelled():
            return after(step=Step.CANCELLED, payment_deadline=None)
        case events.AttemptFailed():
            return after(attempts=before.attempts + 1)
    assert_never(event)
