"""What fulfillment does next: from an order and its fulfillment, as their events say, to one action.

Pure. Whoever asks again, after any death, repeat or delay, gets what is right for the state there is then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never

from command_service.fulfillment.state import Fulfillment, Held, Step
from command_service.orders.state import Order
from command_service.timestamps import stamp
from event_schemas.fulfillment import FulfillmentEvent
from orderflow.fulfillment.v1 import events_pb2 as events
from orderflow.orders.v1 import order_pb2

MAX_REASON = 500
"""Characters that an order's cancel reason may have."""
_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_PAUSE = timedelta(minutes=5)


class Situation(StrEnum):
    """What matters of an order."""

    UNPAID = "UNPAID"
    PAID = "PAID"
    CONFIRMED = "CONFIRMED"
    SHIPPED = "SHIPPED"
    """At any time: what became of the order since does not bring the goods back."""
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Reserve:
    """Have the stock item hold so many pieces for the order."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Take what the order holds off the stock."""

    sku: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give back what the order holds, or may."""

    sku: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Confirm the order."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the order if it is still at this version, so that whatever came meanwhile wins."""

    order_version: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """Store that something is so."""

    event: FulfillmentEvent


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the order changes, or until a moment of the database's clock."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing to do, ever."""


Call: TypeAlias = Reserve | Commit | Release | Confirm | Cancel
Action: TypeAlias = Call | Record | Wait | Finished


@dataclass(frozen=True, slots=True)
class Accepted:
    """The call took effect, now or before."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule refused the call; the same one in the same state will be refused again."""

    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not known whether the call took effect, or it did not for now."""

    error: str


Outcome: TypeAlias = Accepted | Refused | Failed


def situation_of(order: Order) -> Situation:
    """What matters of an order that exists."""
    if order.shipped:
        return Situation.SHIPPED
    match order.status:
        case order_pb2.ORDER_STATUS_CANCELLED:
            return Situation.CANCELLED
        case order_pb2.ORDER_STATUS_CONFIRMED:
            return Situation.CONFIRMED
    return Situation.PAID if order.is_paid else Situation.UNPAID


def next_action(order: Order, fulfillment: Fulfillment, now: datetime, *, payment_time: timedelta) -> Action:  # noqa: C901, PLR0911, PLR0912 -- the decision table
    """What is to be done now.

    Args:
        order: of automatic fulfillment, read after `now`: a payment before it is in there.
        now: on the database's clock.
        payment_time: how long a payment is waited for.
    """
    situation = situation_of(order)
    match fulfillment.step, situation:
        case (Step.COMPLETED | Step.CANCELLED, _) | (Step.NONE, Situation.CANCELLED):
            return Finished()
        case Step.NONE, _:
            return Record(events.FulfillmentStarted(lines=_lines(order)))
        case Step.COMMITTING, _:
            return _settle_shipped(fulfillment)
        case _, Situation.SHIPPED:
            return Record(events.CommitmentStarted())
        case Step.COMPENSATING, Situation.CANCELLED:
            return _give_back(fulfillment)
        case Step.COMPENSATING, _:
            return Cancel(order.version, fulfillment.cancel_reason)
        case _, Situation.CANCELLED:
            return Record(events.CompensationStarted(cancel_reason=order.cancel_reason))
        case Step.RESERVING, _ if (sku := fulfillment.first(Held.WANTED)) is not None:
            return Reserve(sku, fulfillment.items[sku].quantity)
        case Step.RESERVING | Step.AWAITING_PAYMENT | Step.CONFIRMING, Situation.CONFIRMED:
            return Record(events.ShipmentAwaited())
        case Step.RESERVING | Step.AWAITING_PAYMENT, Situation.PAID:
            return Record(events.PaymentCompleted())
        case Step.RESERVING | Step.CONFIRMING, Situation.UNPAID:
            return Record(events.PaymentAwaited(payment_deadline_time=stamp(now + payment_time)))
        case Step.AWAITING_PAYMENT, Situation.UNPAID:
            return _wait_for_payment(order, fulfillment, now)
        case Step.CONFIRMING, Situation.PAID:
            return Confirm()
        case Step.AWAITING_SHIPMENT, _:
            return Wait()
    raise AssertionError(f"nothing is said of {fulfillment.step} and {situation}")


def consequence(call: Call, fulfillment: Fulfillment, outcome: Outcome) -> FulfillmentEvent | None:  # noqa: PLR0911 -- one answer an outcome
    """What is to be recorded of a call; None where the order itself tells, on the next look."""
    match call, outcome:
        case _, Failed():
            return events.AttemptFailed(call=name_of(call), error=outcome.error)
        case ((Confirm() | Cancel()), _):
            return None
        case Reserve(), Accepted():
            return events.ItemReserved(sku=call.sku)
        case Commit(), Accepted():
            return events.ItemCommitted(sku=call.sku)
        case Release(), Accepted():
            return events.ItemReleased(sku=call.sku)
        case Reserve(), Refused() if fulfillment.step is Step.RESERVING:
            return events.CompensationStarted(cancel_reason=_unreserved(call.sku, outcome))
        case ((Reserve() | Commit() | Release()), Refused()):
            return events.ItemAbandoned(sku=call.sku, cause=str(outcome))
    raise AssertionError(f"nothing is said of {call} and {outcome}")


def name_of(call: Call) -> str:
    """The method of the contract that a call goes to."""
    match call:
        case Reserve() | Commit() | Release():
            return f"{type(call).__name__}Stock"
        case Confirm() | Cancel():
            return f"{type(call).__name__}Order"
    assert_never(call)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row, at least one: twice as long each time, up to a limit."""
    doublings = min(attempts - 1, 20)  # beyond it the limit holds, and the product would grow without bounds
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << doublings))


def _lines(order: Order) -> Iterable[events.FulfillmentLine]:
    """What the order needs of each product, over all of its lines."""
    quantities: dict[str, int] = {}
    for line in order.lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return [events.FulfillmentLine(sku=sku, quantity=quantity) for sku, quantity in quantities.items()]


def _settle_shipped(fulfillment: Fulfillment) -> Action:
    """Of what was shipped before it was reserved that is caught up with."""
    sku = fulfillment.first(Held.WANTED, Held.UNTOUCHED, Held.RESERVED)
    if sku is None:
        return Record(events.FulfillmentCompleted())
    item = fulfillment.items[sku]
    return Commit(sku) if item.held is Held.RESERVED else Reserve(sku, item.quantity)


def _give_back(fulfillment: Fulfillment) -> Action:
    sku = fulfillment.first(Held.WANTED, Held.RESERVED)
    return Record(events.FulfillmentCancelled()) if sku is None else Release(sku)


def _wait_for_payment(order: Order, fulfillment: Fulfillment, now: datetime) -> Action:
    deadline = fulfillment.payment_deadline
    if deadline is None or now < deadline:
        return Wait(deadline)
    return Cancel(order.version, f"not paid in full by {deadline:%Y-%m-%d %H:%M:%S} UTC")


def _unreserved(sku: str, refused: Refused) -> str:
    return f"{sku} cannot be reserved: {refused.message}"[:MAX_REASON]
