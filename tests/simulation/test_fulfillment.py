"""Fulfillment in a simulated world: every course of things with few faults, and random ones with many."""

from collections.abc import Collection, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderflow.orders.v1 import order_pb2
from tests.simulation.choices import Chooser, every_way, on_tape
from tests.simulation.verdict import check
from tests.simulation.world import ACTS, FAULTS, Script, World
from tests.support.long_form import quick_or_long

ONE = [{"PEN": 3}]
TWO = [{"PEN": 3, "INK": 1}]
SCRIPTS = {
    "goes through": Script({"PEN": 5}, ONE),
    "is never shipped": Script({"PEN": 5}, ONE, ships=False),
    "is never paid": Script({"PEN": 5}, ONE, pays=False),
    "is out of stock": Script({"PEN": 2}, ONE),
    "is unknown to the stock": Script({}, ONE),
    "two products": Script({"PEN": 5, "INK": 5}, TWO),
    "two products, never paid": Script({"PEN": 5, "INK": 5}, TWO, pays=False),
    "two products, the second out of stock": Script({"PEN": 5, "INK": 0}, TWO),
    "confirmed by hand, and out of stock": Script(
        {"PEN": 5, "INK": 0}, TWO, ships=False, before=["pay", "confirm by hand"]
    ),
}


def played(
    script: Script,
    chooser: Chooser,
    processes: int = 1,
    acts: Collection[str] = ACTS,
    faults: Collection[str] = FAULTS,
) -> World:
    """The world of a script, when nothing happens any more."""
    world = World(script, chooser, processes=processes, acts=acts, faults=faults)
    world.play()
    check(world)
    return world


@pytest.mark.parametrize(
    ("script", "status", "step"),
    [
        ("goes through", "SHIPPED", "COMPLETED"),
        ("is never shipped", "CONFIRMED", "AWAITING_SHIPMENT"),
        ("is never paid", "CANCELLED", "CANCELLED"),
        ("is out of stock", "CANCELLED", "CANCELLED"),
        ("is unknown to the stock", "CANCELLED", "CANCELLED"),
        ("two products", "SHIPPED", "COMPLETED"),
        ("two products, never paid", "CANCELLED", "CANCELLED"),
        ("two products, the second out of stock", "CANCELLED", "CANCELLED"),
        ("confirmed by hand, and out of stock", "CANCELLED", "CANCELLED"),
    ],
)
def test_where_nothing_goes_wrong(script: str, status: str, step: str) -> None:
    world = played(SCRIPTS[script], Chooser())
    [order_id] = world.order_ids
    assert order_pb2.OrderStatus.Name(world.order(order_id).status) == f"ORDER_STATUS_{status}"
    assert world.fulfillment(order_id).step == step


@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_course_with_one_fault(script: str) -> None:
    assert every_way(lambda chooser: played(SCRIPTS[script], chooser), deviations=1) > 50


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("act", ["pay", "cancel by hand"])
@pytest.mark.parametrize("script", ["goes through", "is never paid", "is out of stock"])
def test_every_course_with_two_faults_or_a_fault_and_what_somebody_does(script: str, act: str) -> None:
    """In its short form, every course with one."""
    deviations = quick_or_long(1, 2)
    assert every_way(lambda chooser: played(SCRIPTS[script], chooser, acts=[act]), deviations=deviations) > 50


@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", ["is never paid", "two products"])
def test_every_course_in_which_a_call_takes_effect_only_after_the_order_was_cancelled(script: str) -> None:
    late = lambda chooser: played(SCRIPTS[script], chooser, acts=["cancel by hand"], faults=["very late"])  # noqa: E731
    assert every_way(late, deviations=2) > 50


PIECES = st.integers(0, 4)
SKUS = ["PEN", "INK", "CUP"]
ORDERS = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 3), min_size=1)
WORLDS = st.builds(
    Script,
    st.dictionaries(st.sampled_from(SKUS), PIECES),
    st.lists(ORDERS, min_size=1, max_size=2),
    pays=st.booleans(),
    ships=st.booleans(),
)
TAPES = st.lists(st.integers(0, 99), max_size=150)


@settings(max_examples=quick_or_long(300, 20_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS, TAPES, st.integers(1, 2), st.sampled_from([50, 75, 90]))
@pytest.mark.timeout(600)
@pytest.mark.long
def test_random_courses_with_many_faults(
    script: Script, tape: Sequence[int], processes: int, deviate_from: int
) -> None:
    played(script, on_tape(tape, deviate_from=deviate_from), processes)
