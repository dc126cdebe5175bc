"""The fold of an order's events into its view."""

from typing import Self

import pytest

from event_schemas.event_types import UnknownEvent
from event_schemas.orders import EVENT_TYPES, OrderEvent
from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import events_pb2, order_pb2, views_pb2
from read_models import orders
from tests.unit.read_models.builders import (
    ADDRESS,
    CUSTOMER,
    ORDER,
    at,
    cancelled,
    confirmed,
    created,
    customer,
    delivered,
    euros,
    item,
    item_added,
    item_removed,
    one_of_each,
    paid,
    refunded,
    shipped,
)

_EVENTS: dict[str, OrderEvent] = {f"orderflow.orders.v1.{type(event).__name__}": event for event in one_of_each()}


class _Given:
    """given(events).then(field=value, ...): the view of these events has these values."""

    def __init__(self, events: tuple[OrderEvent, ...]) -> None:
        view: views_pb2.OrderView | None = None
        for version, event in enumerate(events, start=1):
            view = orders.evolve(view, event, version)
        assert view is not None
        self.view = view

    def then(self, **expected: object) -> Self:
        for field, value in expected.items():
            found = getattr(self.view, field)
            assert (list(found) if isinstance(value, list) else found) == value, field
        return self


def given(*events: OrderEvent) -> _Given:
    return _Given(events)


def test_the_table_of_events_is_the_closed_set_of_the_contract() -> None:
    contract = {
        field.message_type.full_name
        for field in events_pb2.OrderEvent.DESCRIPTOR.oneofs_by_name["event"].fields
        if field.message_type
    }
    assert set(_EVENTS) == contract


@pytest.mark.parametrize("name", sorted(_EVENTS))
def test_every_event_is_parsed_from_what_is_stored(name: str) -> None:
    assert EVENT_TYPES.parse(name, _EVENTS[name].SerializeToString()) == _EVENTS[name]


@pytest.mark.parametrize("name", sorted(_EVENTS))
def test_every_event_gives_its_version_and_time_and_leaves_the_given_view_alone(name: str) -> None:
    before = given(created()).view
    unchanged = views_pb2.OrderView.FromString(before.SerializeToString())
    event = _EVENTS[name]
    after = orders.evolve(before, event, 2)
    assert before == unchanged
    assert after.version == 2
    assert after.update_time == next(
        value for field, value in event.ListFields() if field.name.endswith("_time") and not _estimate(field.name)
    )


@pytest.mark.parametrize("name", sorted(_EVENTS))
def test_no_event_is_refused_even_as_the_first(name: str) -> None:
    assert orders.evolve(None, _EVENTS[name], 1).order_id == ORDER


def _estimate(field: str) -> bool:
    return field == "estimated_delivery_time"


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("orderflow.orders.v1.OrderTeleported", b""),
        ("orderflow.orders.v1.OrderView", b""),
        ("", b""),
        ("orderflow.orders.v1.OrderCreated", b"\xff"),
    ],
)
def test_what_is_no_event_of_an_order_is_named(event_type: str, data: bytes) -> None:
    with pytest.raises(UnknownEvent):
        EVENT_TYPES.parse(event_type, data)


def test_a_created_order_is_pending_and_waits_for_its_customer() -> None:
    given(created(item(name="Tea"), item(name="Cup"))).then(
        order_id=ORDER,
        customer_id=CUSTOMER,
        customer_name="",
        status=order_pb2.ORDER_STATUS_PENDING,
        item_names=["Tea", "Cup"],
        total_amount=euros(20),
        paid_amount=euros(0),
        refunded_amount=euros(0),
        shipping_address=ADDRESS,
        address_full="Zoë Łukasz, Hauptstraße 1, 3. Stock, 10115 Berlin, DE",
        fulfillment_mode=order_pb2.FULFILLMENT_MODE_MANUAL,
        create_time=at(0),
        update_time=at(0),
        estimated_delivery_time=at(5 * 24 * 3600),
        enrichment_state=views_pb2.ENRICHMENT_STATE_PENDING,
        customer_version=0,
        version=1,
    )


def test_an_order_whose_address_is_sealed_shows_none() -> None:
    event = created()
    event.personal_data.Clear()
    event.personal_data.sealed = b"sealed"
    view = given(event).then(address_full="").view
    assert not view.HasField("shipping_address")


def test_an_added_item_stands_last_and_brings_the_new_total() -> None:
    given(created(item("A", "Tea")), item_added(item("B", "Cup"), euros(40))).then(
        items=[item("A", "Tea"), item("B", "Cup")], item_names=["Tea", "Cup"], total_amount=euros(40)
    )


@pytest.mark.parametrize(
    ("removed", "left"),
    [
        (1, [("A", 2), ("B", 1), ("A", 2)]),
        (3, [("A", 2), ("B", 1)]),
        (4, [("A", 1), ("B", 1)]),
        (5, [("B", 1)]),
    ],
)
def test_removed_units_are_taken_from_the_last_line_first(removed: int, left: list[tuple[str, int]]) -> None:
    lines = [item("A", quantity=2), item("B", quantity=1), item("A", quantity=3)]
    view = given(created(*lines), item_removed("A", removed, euros(10))).then(total_amount=euros(10)).view
    assert [(line.sku, line.quantity) for line in view.items] == left
    assert len(view.item_names) == len(left)


def test_payments_and_refunds_add_up_exactly() -> None:
    given(
        created(),
        paid(euros(9, 990_000_000)),
        paid(euros(10, 20_000_000)),
        refunded(euros(0, 10_000_000)),
        refunded(euros(1)),
    ).then(paid_amount=euros(20, 10_000_000), refunded_amount=euros(1, 10_000_000), total_amount=euros(20))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (
            (confirmed(),),
            {
                "status": order_pb2.ORDER_STATUS_CONFIRMED,
                "confirm_time": at(5),
                "estimated_delivery_time": at(6 * 24 * 3600),
            },
        ),
        (
            (confirmed(), shipped()),
            {"status": order_pb2.ORDER_STATUS_SHIPPED, "ship_time": at(6), "tracking_number": "TRACK-1"},
        ),
        (
            (confirmed(), shipped(), delivered()),
            {"status": order_pb2.ORDER_STATUS_DELIVERED, "deliver_time": at(7), "tracking_number": "TRACK-1"},
        ),
        (
            (cancelled(),),
            {"status": order_pb2.ORDER_STATUS_CANCELLED, "cancel_time": at(8), "cancel_reason": "too late"},
        ),
    ],
)
def test_each_step_of_its_life_shows(events: tuple[OrderEvent, ...], expected: dict[str, object]) -> None:
    given(created(), *events).then(**expected)


@pytest.mark.parametrize(
    ("known", "name", "email", "version", "state"),
    [
        (None, "", "", 0, views_pb2.ENRICHMENT_STATE_PENDING),
        (customer(version=3), "Zoë Łukasz", "zoe@example.com", 3, views_pb2.ENRICHMENT_STATE_COMPLETE),
        (customer(version=4, erased=True), "", "", 4, views_pb2.ENRICHMENT_STATE_ERASED),
    ],
)
def test_the_customer_shows_as_far_as_known(
    known: customer_pb2.Customer | None, name: str, email: str, version: int, state: views_pb2.EnrichmentState.ValueType
) -> None:
    before = given(created()).view
    view = orders.with_customer(orders.with_customer(before, customer(name="Old")), known)
    assert (view.customer_name, view.customer_email) == (name, email)
    assert view.customer_version == version
    assert view.enrichment_state == state
    assert before.customer_version == 0


def test_later_events_keep_the_customer() -> None:
    view = orders.with_customer(given(created()).view, customer())
    assert orders.evolve(view, confirmed(), 2).customer_name == "Zoë Łukasz"


def _sealed() -> events_pb2.OrderCreated:
    event = created()
    event.personal_data.Clear()
    event.personal_data.key_id, event.personal_data.sealed = CUSTOMER, b"sealed"
    return event


def test_a_sealed_address_stays_in_the_view_until_it_is_opened() -> None:
    view = given(_sealed(), confirmed()).view
    sealed = orders.sealed(view)
    assert sealed is not None
    told = (sealed.key_id, sealed.aggregate_id, sealed.event_type, sealed.sealed)
    assert told == (CUSTOMER, ORDER, "orderflow.orders.v1.OrderCreated", b"sealed")
    data = events_pb2.OrderPersonalData(shipping_address=ADDRESS).SerializeToString()
    assert orders.opened(view, data) == given(created(), confirmed()).view
    assert orders.sealed(orders.opened(view, data)) is None
    assert orders.opened(view, None) == orders.bare(view) == orders.bare(given(created(), confirmed()).view)


@pytest.mark.parametrize("event", [created(), _sealed()], ids=["in plain", "sealed"])
def test_of_a_customer_who_was_erased_nothing_personal_is_left(event: events_pb2.OrderCreated) -> None:
    known = orders.with_customer(given(event, confirmed()).view, customer())
    assert orders.tells(known)
    erased = orders.with_customer(known, customer(version=2, erased=True))
    assert not orders.tells(erased)
    assert orders.sealed(erased) is None
    assert (erased.status, erased.version) == (order_pb2.ORDER_STATUS_CONFIRMED, 2)
