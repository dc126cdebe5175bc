"""What may be recorded of a fulfillment at every step; everything else is refused."""

from itertools import product

import pytest
from google.protobuf.message import Message

from command_service.fulfillment.aggregate import NAMING, fulfillment_aggregate
from command_service.fulfillment.decider import RECORDABLE
from command_service.fulfillment.state import Held, Step
from event_schemas.aggregates import FULFILLMENT
from orderflow.fulfillment.v1 import events_pb2 as events
from tests.support.fulfillments import (
    HISTORIES,
    attempt_failed,
    commitment_started,
    compensation_started,
    fulfillment,
    fulfillment_cancelled,
    fulfillment_completed,
    given,
    item_abandoned,
    item_committed,
    item_released,
    item_reserved,
    payment_awaited,
    payment_completed,
    shipment_awaited,
    started,
)
from tests.support.orders import ORDER_ID

EVERY_EVENT: list[Message] = [
    *(started(), item_reserved("INK"), payment_awaited(), payment_completed(), shipment_awaited()),
    *(commitment_started(), item_committed(), fulfillment_completed(), compensation_started()),
    *(item_released(), item_abandoned(), fulfillment_cancelled(), attempt_failed()),
]
BY_NAME = {each.DESCRIPTOR.name: each for each in EVERY_EVENT}
# By step, what may follow on the history of the step: in words of its own, not the code's.
FOLLOWS: dict[str, set[str]] = {
    "NONE": {"FulfillmentStarted"},
    "RESERVING": {"ItemReserved", "CommitmentStarted", "CompensationStarted", "AttemptFailed"},
    "AWAITING_PAYMENT": {
        *("PaymentCompleted", "ShipmentAwaited", "CommitmentStarted", "CompensationStarted", "AttemptFailed")
    },
    "CONFIRMING": {"PaymentAwaited", "ShipmentAwaited", "CommitmentStarted", "CompensationStarted", "AttemptFailed"},
    "AWAITING_SHIPMENT": {"CommitmentStarted", "CompensationStarted"},
    "COMMITTING": {"ItemCommitted", "ItemAbandoned", "AttemptFailed"},
    "COMPLETED": set(),
    "COMPENSATING": {"ItemReleased", "ItemAbandoned", "CommitmentStarted", "AttemptFailed"},
    "CANCELLED": set(),
}


def test_every_event_and_every_step_is_in_the_table() -> None:
    assert {type(each) for each in EVERY_EVENT} == set(fulfillment_aggregate().events)
    assert [*FOLLOWS] == [*HISTORIES] == [*Step]
    assert RECORDABLE.keys() == set(Step)


@pytest.mark.parametrize(("event", "step"), [*product(BY_NAME, FOLLOWS)])
def test_an_event_is_recorded_exactly_where_it_follows(event: str, step: str) -> None:
    outcome = given(*HISTORIES[step]).when(BY_NAME[event])
    if event in FOLLOWS[step]:
        outcome.then(BY_NAME[event])
    else:
        outcome.then_refused("NOT_ALLOWED_IN_STATUS").telling(
            subject=f"fulfillment/{ORDER_ID}", current_status=step, current_version=str(len(HISTORIES[step]))
        )


@pytest.mark.parametrize("event", [payment_awaited(), payment_completed(), shipment_awaited()])
def test_reserving_ends_when_everything_is_reserved(event: Message) -> None:
    given(started(), item_reserved()).when(event).then_refused("NOT_ALLOWED_IN_STATUS")
    given(started(), item_reserved(), item_reserved("INK")).when(event).then(event)


@pytest.mark.parametrize("event", [item_reserved("CUP"), item_reserved("")])
def test_an_item_that_the_order_has_not_is_refused(event: Message) -> None:
    given(started()).when(event).then_refused("NOT_ALLOWED_IN_STATUS")


def test_an_item_is_reserved_once() -> None:
    given(started(), item_reserved()).when(item_reserved()).then_refused("NOT_ALLOWED_IN_STATUS")


def test_a_fulfillment_ends_when_each_item_is_settled() -> None:
    committing = HISTORIES["COMMITTING"]
    given(*committing, item_committed()).when(fulfillment_completed()).then_refused("NOT_ALLOWED_IN_STATUS")
    settled = [*committing, item_committed(), item_abandoned("INK")]
    given(*settled).when(fulfillment_completed()).then(fulfillment_completed())
    compensating = [*HISTORIES["COMPENSATING"], item_released()]
    given(*compensating).when(fulfillment_cancelled()).then_refused("NOT_ALLOWED_IN_STATUS")
    given(*compensating, item_released("INK")).when(fulfillment_cancelled()).then(fulfillment_cancelled())


def test_what_nobody_asked_for_is_not_released() -> None:
    history = [started({"PEN-1": 1, "INK": 1}), compensation_started()]
    given(*history).when(item_released("INK")).then_refused("NOT_ALLOWED_IN_STATUS")
    given(*history).when(item_released()).then(item_released())


def test_the_time_and_the_order_are_the_recorders_own() -> None:
    given(*HISTORIES["CONFIRMING"]).when(events.ShipmentAwaited(order_id="forged")).then(shipment_awaited())


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda each: each.DESCRIPTOR.name)
@pytest.mark.parametrize("step", HISTORIES)
def test_history_is_never_refused(event: Message, step: str) -> None:
    assert fulfillment(*HISTORIES[step], event).version == len(HISTORIES[step]) + 1
    assert fulfillment(type(event)()).version == 1


def test_an_item_of_which_the_beginning_is_lost_is_folded() -> None:
    assert fulfillment(item_reserved()).items["PEN-1"].held is Held.RESERVED


def test_a_fulfillment_has_the_id_that_its_events_name_and_not_the_orders() -> None:
    assert FULFILLMENT.id_of(started()) == str(NAMING.id_of(ORDER_ID)) != ORDER_ID
    assert FULFILLMENT.type == fulfillment_aggregate().name
