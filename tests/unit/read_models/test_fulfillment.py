"""What is shown of a fulfillment is what the rules know of it, at every step and after every event."""

import pytest
from google.protobuf.message import Message

from command_service.fulfillment.aggregate import fulfillment_aggregate
from command_service.fulfillment.state import Held
from command_service.timestamps import stamp
from orderflow.fulfillment.v1 import fulfillment_pb2, queries_pb2
from read_models.fulfillment import evolve, release_skus
from tests.support.fulfillments import (
    DEADLINE,
    HISTORIES,
    attempt_failed,
    compensation_started,
    fulfillment,
    fulfillment_cancelled,
    fulfillment_completed,
    item_abandoned,
    item_committed,
    item_released,
    item_reserved,
    payment_awaited,
    payment_completed,
    shipment_awaited,
    started,
)
from tests.support.orders import NOW

EVENTS: list[Message] = [
    *(started(), item_reserved("INK"), payment_awaited(), payment_completed(), shipment_awaited(), item_committed()),
    *(fulfillment_completed(), compensation_started(), item_released(), item_abandoned(), fulfillment_cancelled()),
    attempt_failed(),
]


def shown(*history: Message) -> queries_pb2.GetFulfillmentResponse:
    found: queries_pb2.GetFulfillmentResponse | None = None
    for version, event in enumerate(history, start=1):
        found = evolve(found, event, version)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: each.DESCRIPTOR.name)
@pytest.mark.parametrize("step", [each for each in HISTORIES if each != "NONE"])
def test_both_folds_agree(step: str, event: Message) -> None:
    history = [*HISTORIES[step], *([] if isinstance(event, type(started())) else [event])]
    known, seen = fulfillment(*history), shown(*history)
    assert fulfillment_pb2.FulfillmentStep.Name(seen.step) == f"FULFILLMENT_STEP_{known.step}"
    assert (seen.version, seen.attempts, seen.cancel_reason) == (known.version, known.attempts, known.cancel_reason)
    assert {
        each.sku: (each.quantity, fulfillment_pb2.ReservationState.Name(each.state)) for each in seen.reservations
    } == {sku: (item.quantity, f"RESERVATION_STATE_{item.held}") for sku, item in known.items.items()}
    assert seen.HasField("next_deadline_time") is (known.payment_deadline is not None)


def test_the_steps_and_states_are_those_of_the_contract() -> None:
    steps = {each.removeprefix("FULFILLMENT_STEP_") for each in fulfillment_pb2.FulfillmentStep.keys()}  # noqa: SIM118
    assert steps - {"UNSPECIFIED"} == set(HISTORIES) - {"NONE"}
    states = {each.removeprefix("RESERVATION_STATE_") for each in fulfillment_pb2.ReservationState.keys()}  # noqa: SIM118
    assert states - {"UNSPECIFIED"} == set(Held)


def test_the_deadline_is_shown_as_long_as_it_is_waited_for() -> None:
    waiting = HISTORIES["AWAITING_PAYMENT"]
    assert shown(*waiting).next_deadline_time == stamp(DEADLINE)
    assert not shown(*waiting, payment_completed()).HasField("next_deadline_time")


def test_failures_are_shown_until_something_is_achieved() -> None:
    failed = shown(started(), attempt_failed(), attempt_failed())
    assert (failed.attempts, failed.last_error) == (2, "ReserveStock: UNAVAILABLE: away")
    again = shown(started(), attempt_failed(), item_reserved())
    assert (again.attempts, again.last_error) == (0, "")


def test_what_compensation_would_release_is_what_compensation_releases() -> None:
    three = {"PEN-1": 1, "INK": 1, "CUP": 1}
    before = [started(three), item_reserved()]
    assert release_skus(shown(*before)) == ["PEN-1", "INK"]
    assert release_skus(shown(*before, compensation_started())) == ["PEN-1", "INK"]
    assert release_skus(shown(*before, compensation_started(), item_released())) == ["INK"]


def test_times_are_those_of_the_events() -> None:
    found = shown(started(), item_reserved())
    assert (found.start_time, found.update_time) == (stamp(NOW), stamp(NOW))


def test_every_event_is_folded_whatever_came_before() -> None:
    for event in fulfillment_aggregate().events:
        assert evolve(None, event(), 1).version == 1
