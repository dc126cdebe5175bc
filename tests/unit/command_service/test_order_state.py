"""What events make of an order, and what holds of any order that the rules have made."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import get_args

import pytest
from google.protobuf.message import Message
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from command_service.orders.aggregate import order_aggregate
from command_service.orders.checks import MINIMUM_UNITS
from command_service.orders.decider import Command
from command_service.orders.money import NANOS_PER_UNIT, Amount
from command_service.orders.state import Line, Order, evolve
from command_service.timestamps import stamp
from event_schemas.orders import OrderEvent
from orderflow.orders.v1 import events_pb2 as events
from orderflow.orders.v1 import order_pb2
from service_kit.errors import ServiceError
from tests.support.orders import (
    DELIVERY,
    NOW,
    ORDER_ID,
    add,
    cancel,
    cancelled,
    confirm,
    confirmed,
    create,
    created,
    decided,
    deliver,
    delivered,
    folded,
    item,
    item_added,
    item_removed,
    paid,
    pay,
    refund,
    refunded,
    remove,
    ship,
    shipped,
)

EVERY_EVENT: list[Message] = [
    created(),
    item_added(),
    item_removed(total="10.00"),
    paid(),
    refunded(),
    confirmed(),
    shipped(),
    delivered(),
    cancelled(),
]

PRICES = st.sampled_from(["0", "0.01", "3.33", "4.99", "5.00", "10.00", "12345678.90"])
SKUS = st.sampled_from(["PEN", "INK", "CUP"])
LINES = st.builds(lambda price, quantity, sku: item(price, quantity=quantity, sku=sku), PRICES, st.integers(1, 3), SKUS)
ORDERS = st.lists(LINES, min_size=1, max_size=4).map(lambda lines: create(*lines))
CHANGES: st.SearchStrategy[Command] = st.one_of(
    LINES.map(add),
    st.builds(lambda quantity, sku: remove(quantity, sku=sku), st.integers(1, 7), SKUS),
    st.builds(pay, PRICES.filter(lambda price: price != "0"), st.sampled_from(["a", "b", "c"])),
    st.builds(refund, PRICES.filter(lambda price: price != "0"), st.sampled_from(["a", "b", "c"])),
)
MOVES: st.SearchStrategy[Command] = st.sampled_from([confirm(), ship(), deliver(), cancel(), create()])


def test_the_closed_set_of_events_is_that_of_the_contract() -> None:
    fields = events.OrderEvent.DESCRIPTOR.oneofs_by_name["event"].fields
    contract = {field.message_type.full_name for field in fields if field.message_type}
    assert contract == {each.DESCRIPTOR.full_name for each in EVERY_EVENT}
    assert contract == {each.DESCRIPTOR.full_name for each in get_args(OrderEvent)}
    assert set(order_aggregate(DELIVERY).events) == set(get_args(OrderEvent))


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda each: each.DESCRIPTOR.name)
@pytest.mark.parametrize("before", [[], [created()], [created(), cancelled()]], ids=["nothing", "pending", "cancelled"])
def test_every_event_makes_one_version_and_is_never_refused(event: Message, before: Sequence[Message]) -> None:
    assert folded(*before, event).version == len(before) + 1


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda each: each.DESCRIPTOR.name)
def test_an_event_of_a_newer_server_without_fields_is_folded_too(event: Message) -> None:
    assert folded(type(event)()).version == 1


def test_an_order_is_folded_from_its_events() -> None:
    order = folded(
        created(item("7.50", quantity=2), item("1.00", sku="INK")),
        item_added(item("7.50", quantity=3)),
        item_removed(4, total="15.00"),
        paid("9.00"),
        refunded("2.50"),
        confirmed(),
        shipped(),
        delivered(),
    )
    assert order == Order(
        order_id=ORDER_ID,
        version=8,
        status=order_pb2.ORDER_STATUS_DELIVERED,
        currency="EUR",
        lines=(Line("PEN-1", 1, 7_500_000_000), Line("INK", 1, 1_000_000_000)),
        payments={"pay-1": 9_000_000_000},
        refunds={"refund-1": 2_500_000_000},
        estimated_delivery=NOW + DELIVERY,
        fulfillment_mode=order_pb2.FULFILLMENT_MODE_MANUAL,
        shipped=True,
    )
    assert order.paid_nanos == 6_500_000_000


def test_an_order_remembers_that_it_was_shipped_and_why_it_was_cancelled() -> None:
    order = folded(created(automatic=True), confirmed(), shipped(), cancelled("lost on the way"))
    assert (order.is_automatic, order.shipped, order.cancel_reason) == (True, True, "lost on the way")


def test_a_confirmation_replaces_the_estimated_delivery() -> None:
    later = NOW + timedelta(days=30)
    order = folded(created(), events.OrderConfirmed(order_id=ORDER_ID, estimated_delivery_time=stamp(later)))
    assert order.estimated_delivery == later.astimezone(UTC)


def test_an_event_leaves_the_state_before_it_as_it_was() -> None:
    before = folded(created(), paid())
    kept = folded(created(), paid())
    evolve(before, item_added())
    evolve(before, paid("1.00", "pay-2"))
    evolve(before, refunded("1.00"))
    assert before == kept


@for_all(ORDERS, st.lists(CHANGES | MOVES, max_size=15))
@settings(max_examples=150, deadline=None)
def test_whatever_is_accepted_leaves_an_order_that_keeps_every_rule(first: Command, rest: Sequence[Command]) -> None:
    order = Order()
    for command in (first, *rest):
        try:
            made = decided(command, order)
        except ServiceError:
            continue
        for event in made:
            order = evolve(order, event)
            totalled = getattr(event, "total_amount", None)
            assert totalled is None or Amount.of(totalled) == order.total, "an event's total is that of its fold"
        assert order.version > 0
        assert order.lines
        assert order.total.nanos == sum(line.quantity * line.price_nanos for line in order.lines)
        assert order.total.nanos >= MINIMUM_UNITS * NANOS_PER_UNIT
        assert all(line.quantity > 0 for line in order.lines)
        assert order.paid_nanos >= 0
        snapshots = order_aggregate(DELIVERY).snapshots
        assert snapshots is not None
        assert snapshots.read(snapshots.write(order)) == order


@for_all(ORDERS, st.lists(CHANGES | MOVES, max_size=10))
@settings(max_examples=60, deadline=None)
def test_the_same_command_on_the_same_state_makes_the_same_events(first: Command, rest: Sequence[Command]) -> None:
    def run() -> list[bytes]:
        order, stored = Order(), []
        for command in (first, *rest):
            try:
                made = decided(command, order)
            except ServiceError as refusal:
                stored.append(refusal.reason_name.encode())
                continue
            for event in made:
                order = evolve(order, event)
                stored.append(event.SerializeToString(deterministic=True))
        return stored

    assert run() == run()
