"""What fulfillment does next at every step, in every situation of its order; and what follows from each outcome."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from google.protobuf.message import Message

from command_service.fulfillment.plan import (
    MAX_REASON,
    Accepted,
    Action,
    Call,
    Cancel,
    Commit,
    Confirm,
    Failed,
    Finished,
    Outcome,
    Record,
    Refused,
    Release,
    Reserve,
    Situation,
    Wait,
    consequence,
    next_action,
    pause_after,
    situation_of,
)
from command_service.fulfillment.state import Held, Step
from orderflow.fulfillment.v1 import events_pb2 as events
from tests.support.fulfillments import (
    DEADLINE,
    HISTORIES,
    attempt_failed,
    commitment_started,
    compensation_started,
    fulfillment,
    item_abandoned,
    item_committed,
    item_released,
    item_reserved,
    payment_awaited,
    started,
)
from tests.support.orders import (
    NOW,
    cancelled,
    confirmed,
    created,
    delivered,
    folded,
    item,
    paid,
    refunded,
    shipped,
)

PAYMENT_TIME = timedelta(minutes=20)
ORDER: list[Message] = [
    created(item("2.00", quantity=2), item("5.00", sku="INK"), item("1.00", quantity=1), total="10.00", automatic=True)
]
ORDERS: dict[Situation, list[Message]] = {
    Situation.UNPAID: [*ORDER, paid("9.99")],
    Situation.PAID: [*ORDER, paid()],
    Situation.CONFIRMED: [*ORDER, paid(), confirmed()],
    Situation.SHIPPED: [*ORDER, paid(), confirmed(), shipped()],
    Situation.CANCELLED: [*ORDER, cancelled("ordered twice")],
}
BEGIN = Record(events.FulfillmentStarted(lines=started().lines))
PAYMENT_AWAITED = Record(
    events.PaymentAwaited(payment_deadline_time=payment_awaited(NOW + PAYMENT_TIME).payment_deadline_time)
)
GIVEN_UP = Record(events.CompensationStarted(cancel_reason="ordered twice"))
SHIPMENT_AWAITED = Record(events.ShipmentAwaited())
SHIPPED = Record(events.CommitmentStarted())
EXPECTED: dict[tuple[Step, Situation], Action] = {
    (Step.NONE, Situation.UNPAID): BEGIN,
    (Step.NONE, Situation.PAID): BEGIN,
    (Step.NONE, Situation.CONFIRMED): BEGIN,
    (Step.NONE, Situation.SHIPPED): BEGIN,
    (Step.NONE, Situation.CANCELLED): Finished(),
    (Step.RESERVING, Situation.UNPAID): Reserve("INK", 1),
    (Step.RESERVING, Situation.PAID): Reserve("INK", 1),
    (Step.RESERVING, Situation.CONFIRMED): Reserve("INK", 1),
    (Step.RESERVING, Situation.SHIPPED): SHIPPED,
    (Step.RESERVING, Situation.CANCELLED): GIVEN_UP,
    (Step.AWAITING_PAYMENT, Situation.UNPAID): Wait(DEADLINE),
    (Step.AWAITING_PAYMENT, Situation.PAID): Record(events.PaymentCompleted()),
    (Step.AWAITING_PAYMENT, Situation.CONFIRMED): SHIPMENT_AWAITED,
    (Step.AWAITING_PAYMENT, Situation.SHIPPED): SHIPPED,
    (Step.AWAITING_PAYMENT, Situation.CANCELLED): GIVEN_UP,
    (Step.CONFIRMING, Situation.UNPAID): PAYMENT_AWAITED,
    (Step.CONFIRMING, Situation.PAID): Confirm(),
    (Step.CONFIRMING, Situation.CONFIRMED): SHIPMENT_AWAITED,
    (Step.CONFIRMING, Situation.SHIPPED): SHIPPED,
    (Step.CONFIRMING, Situation.CANCELLED): GIVEN_UP,
    (Step.AWAITING_SHIPMENT, Situation.UNPAID): Wait(),
    (Step.AWAITING_SHIPMENT, Situation.PAID): Wait(),
    (Step.AWAITING_SHIPMENT, Situation.CONFIRMED): Wait(),
    (Step.AWAITING_SHIPMENT, Situation.SHIPPED): SHIPPED,
    (Step.AWAITING_SHIPMENT, Situation.CANCELLED): GIVEN_UP,
    **{(Step.COMMITTING, situation): Commit("PEN-1") for situation in Situation},
    (Step.COMPENSATING, Situation.UNPAID): Cancel(2, "out of pens"),
    (Step.COMPENSATING, Situation.PAID): Cancel(2, "out of pens"),
    (Step.COMPENSATING, Situation.CONFIRMED): Cancel(3, "out of pens"),
    (Step.COMPENSATING, Situation.SHIPPED): SHIPPED,
    (Step.COMPENSATING, Situation.CANCELLED): Release("PEN-1"),
    **{(Step.COMPLETED, situation): Finished() for situation in Situation},
    **{(Step.CANCELLED, situation): Finished() for situation in Situation},
}


def planned(order: list[Message], *history: Message, now: datetime = NOW) -> Action:
    return next_action(folded(*order), fulfillment(*history), now, payment_time=PAYMENT_TIME)


def test_every_step_and_every_situation_is_in_the_table() -> None:
    assert EXPECTED.keys() == set(product(Step, Situation))
    assert [*HISTORIES] == [*Step]
    assert [fulfillment(*history).step for history in HISTORIES.values()] == [*Step]
    assert {each: situation_of(folded(*history)) for each, history in ORDERS.items()} == {s: s for s in Situation}


@pytest.mark.parametrize(("step", "situation"), EXPECTED)
def test_what_is_done_next(step: Step, situation: Situation) -> None:
    assert planned(ORDERS[situation], *HISTORIES[step]) == EXPECTED[step, situation]


def test_what_was_shipped_stays_shipped_whatever_becomes_of_the_order() -> None:
    on_its_way = [*ORDERS[Situation.SHIPPED], cancelled("lost on the way")]
    assert situation_of(folded(*on_its_way)) is Situation.SHIPPED
    assert situation_of(folded(*ORDERS[Situation.SHIPPED], delivered())) is Situation.SHIPPED


def test_what_was_given_back_is_not_paid() -> None:
    assert situation_of(folded(*ORDERS[Situation.PAID], refunded("0.01"))) is Situation.UNPAID


def test_when_all_is_reserved_the_payment_is_waited_for() -> None:
    all_reserved = [started(), item_reserved(), item_reserved("INK")]
    assert planned(ORDERS[Situation.UNPAID], *all_reserved) == PAYMENT_AWAITED
    assert planned(ORDERS[Situation.PAID], *all_reserved) == Record(events.PaymentCompleted())
    assert planned(ORDERS[Situation.CONFIRMED], *all_reserved) == SHIPMENT_AWAITED


@pytest.mark.parametrize("late", [timedelta(), timedelta(microseconds=1), timedelta(days=400)])
def test_at_the_deadline_the_order_is_cancelled_unless_it_has_changed(late: timedelta) -> None:
    waiting = HISTORIES["AWAITING_PAYMENT"]
    at = DEADLINE + late
    assert planned(ORDERS[Situation.UNPAID], *waiting, now=at) == Cancel(
        2, "not paid in full by 2026-03-01 13:00:00 UTC"
    )
    assert planned(ORDERS[Situation.PAID], *waiting, now=at) == Record(events.PaymentCompleted())
    assert planned(ORDERS[Situation.UNPAID], *waiting, now=DEADLINE - timedelta(microseconds=1)) == Wait(DEADLINE)


def test_given_up_only_what_was_asked_for_is_released() -> None:
    three = {"PEN-1": 1, "INK": 1, "CUP": 1}
    history: list[Message] = [started(three), item_reserved(), compensation_started()]
    assert {sku: each.held for sku, each in fulfillment(*history).items.items()} == {
        "PEN-1": Held.RESERVED,
        "INK": Held.WANTED,  # may be on its way
        "CUP": Held.UNTOUCHED,
    }
    order = ORDERS[Situation.CANCELLED]
    assert planned(order, *history) == Release("PEN-1")
    assert planned(order, *history, item_released()) == Release("INK")
    gone = [*history, item_released(), item_abandoned("INK")]
    assert planned(order, *gone) == Record(events.FulfillmentCancelled())


def test_what_was_shipped_without_being_reserved_is_reserved_and_then_taken() -> None:
    order = ORDERS[Situation.SHIPPED]
    history: list[Message] = [started(), compensation_started(), commitment_started()]
    assert planned(order, *history) == Reserve("PEN-1", 3)
    assert planned(order, *history, item_reserved()) == Commit("PEN-1")
    assert planned(order, *history, item_reserved(), item_committed()) == Reserve("INK", 1)
    gone = [*history, item_reserved(), item_committed(), item_abandoned("INK")]
    assert planned(order, *gone) == Record(events.FulfillmentCompleted())


REFUSED = Refused("INSUFFICIENT_STOCK", "3 pieces are wanted, and 2 available")
FAILED = Failed("UNAVAILABLE: away")
CALLS: dict[str, Call] = {
    "Reserve": Reserve("PEN-1", 3),
    "Commit": Commit("PEN-1"),
    "Release": Release("PEN-1"),
    "Confirm": Confirm(),
    "Cancel": Cancel(1, "out of pens"),
}
CAUSE = "INSUFFICIENT_STOCK: 3 pieces are wanted, and 2 available"
CONSEQUENCES: dict[tuple[str, type[Outcome]], Message | None] = {
    ("Reserve", Accepted): events.ItemReserved(sku="PEN-1"),
    ("Reserve", Refused): events.CompensationStarted(
        cancel_reason="PEN-1 cannot be reserved: 3 pieces are wanted, and 2 available"
    ),
    ("Reserve", Failed): events.AttemptFailed(call="ReserveStock", error="UNAVAILABLE: away"),
    ("Commit", Accepted): events.ItemCommitted(sku="PEN-1"),
    ("Commit", Refused): events.ItemAbandoned(sku="PEN-1", cause=CAUSE),
    ("Commit", Failed): events.AttemptFailed(call="CommitStock", error="UNAVAILABLE: away"),
    ("Release", Accepted): events.ItemReleased(sku="PEN-1"),
    ("Release", Refused): events.ItemAbandoned(sku="PEN-1", cause=CAUSE),
    ("Release", Failed): events.AttemptFailed(call="ReleaseStock", error="UNAVAILABLE: away"),
    ("Confirm", Accepted): None,
    ("Confirm", Refused): None,
    ("Confirm", Failed): events.AttemptFailed(call="ConfirmOrder", error="UNAVAILABLE: away"),
    ("Cancel", Accepted): None,
    ("Cancel", Refused): None,
    ("Cancel", Failed): events.AttemptFailed(call="CancelOrder", error="UNAVAILABLE: away"),
}
OUTCOMES: dict[type[Outcome], Outcome] = {Accepted: Accepted(), Refused: REFUSED, Failed: FAILED}


def test_every_call_and_every_outcome_is_in_the_table() -> None:
    assert CONSEQUENCES.keys() == set(product(CALLS, OUTCOMES))


@pytest.mark.parametrize(("call", "outcome"), CONSEQUENCES)
def test_what_is_recorded_of_a_call(call: str, outcome: type[Outcome]) -> None:
    found = consequence(CALLS[call], fulfillment(*HISTORIES["RESERVING"]), OUTCOMES[outcome])
    assert found == CONSEQUENCES[call, outcome]


def test_what_cannot_be_reserved_of_a_shipped_order_is_left_to_people() -> None:
    found = consequence(Reserve("PEN-1", 3), fulfillment(*HISTORIES["COMMITTING"]), REFUSED)
    assert found == events.ItemAbandoned(sku="PEN-1", cause=CAUSE)


def test_a_cancel_reason_is_never_longer_than_it_may_be() -> None:
    found = consequence(Reserve("PEN-1", 3), fulfillment(started()), Refused("INSUFFICIENT_STOCK", "x" * 600))
    assert isinstance(found, events.CompensationStarted)
    assert len(found.cancel_reason) == MAX_REASON == 500


def test_failures_are_counted_until_something_is_recorded() -> None:
    history: list[Message] = [started(), attempt_failed(), attempt_failed()]
    assert fulfillment(*history).attempts == 2
    assert fulfillment(*history, item_reserved()).attempts == 0


def test_pauses_grow_twofold_up_to_five_minutes() -> None:
    pauses = [pause_after(attempts) / timedelta(seconds=1) for attempts in range(1, 13)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert pause_after(10**9) == timedelta(minutes=5)
