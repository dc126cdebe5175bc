"""Stored bytes, however old, become messages of today."""

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from event_schemas.event_types import EventTypes, UnknownEvent
from orderflow.orders.v1 import events_pb2 as events

# Stand-ins for three generations of one event: nobody writes the first two any more.
FIRST, SECOND, TODAY = events.OrderShipped, events.OrderDelivered, events.OrderCancelled


def second_of(first: events.OrderShipped) -> events.OrderDelivered:
    return events.OrderDelivered(order_id=first.order_id, deliver_time=first.ship_time)


def today_of(second: events.OrderDelivered) -> events.OrderCancelled:
    return events.OrderCancelled(order_id=second.order_id, cancel_time=second.deliver_time, reason="unknown then")


TYPES: EventTypes[events.OrderCancelled] = EventTypes([TODAY], {FIRST: second_of, SECOND: today_of})


def parsed(event: Message) -> Message:
    return TYPES.parse(event.DESCRIPTOR.full_name, event.SerializeToString())


def test_an_event_of_today_is_read_as_it_is() -> None:
    event = TODAY(order_id="a", reason="too late")
    assert parsed(event) == event


def test_an_old_event_is_read_as_its_successor() -> None:
    assert parsed(SECOND(order_id="a")) == TODAY(order_id="a", cancel_time=Timestamp(), reason="unknown then")


def test_an_older_event_takes_every_step() -> None:
    first = FIRST(order_id="a", ship_time=Timestamp(seconds=5))
    assert parsed(first) == TODAY(order_id="a", cancel_time=Timestamp(seconds=5), reason="unknown then")


def test_only_events_of_today_are_written() -> None:
    assert list(TYPES) == [TODAY]
    assert set(TYPES.stored.values()) == {FIRST, SECOND, TODAY}


def test_an_event_of_today_has_no_upcaster() -> None:
    with pytest.raises(ValueError, match="OrderCancelled"):
        EventTypes([TODAY], {TODAY: today_of})


@pytest.mark.parametrize(
    ("event_type", "data"),
    [("orderflow.orders.v1.ItemAdded", b""), ("", b""), (FIRST.DESCRIPTOR.full_name, b"\xff")],
    ids=["another type", "no type", "other bytes"],
)
def test_what_is_no_event_of_the_set_is_named(event_type: str, data: bytes) -> None:
    with pytest.raises(UnknownEvent):
        TYPES.parse(event_type, data)
