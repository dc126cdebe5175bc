"""The events of orders and customers, as they are read out of Kafka messages and the event log."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Message

from event_schemas import customers, orders
from event_schemas.event_types import UnknownEvent
from orderflow.events.v1 import event_log_pb2
from projector.errors import Undecodable
from service_kit import cloudevents

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What happened to an order, which has this version since."""

    order_id: str
    version: int
    event: orders.OrderEvent


@dataclass(frozen=True, slots=True)
class CustomerEvent:
    """A customer has this version; what it says is not needed, since the customer is asked for."""

    customer_id: str
    version: int


def event_in(message: Message) -> OrderEvent | CustomerEvent:
    """The event that a message carries.

    Raises:
        Undecodable: it carries none of an order's or a customer's events.
    """
    try:
        recorded = cloudevents.event_of(message.value(), headers_of(message))
    except cloudevents.NotAnEvent as error:
        raise Undecodable(str(error)) from error
    match recorded.aggregate_type:
        case "order":
            return order_event(recorded)
        case "customer":
            return _customer_event(recorded)
        case other:
            raise Undecodable(f"an event of a {other!r}")


def headers_of(message: Message) -> Sequence[tuple[str, str | bytes | None]]:
    """The message's headers: pairs, as the client gives them to readers."""
    return cast("list[tuple[str, str | bytes | None]]", message.headers() or [])


def order_event(recorded: event_log_pb2.RecordedEvent) -> OrderEvent:
    """An order's event as it was recorded.

    Raises:
        Undecodable: it is none.
    """
    try:
        event = orders.EVENT_TYPES.parse(recorded.event_type, recorded.event_data)
    except UnknownEvent as error:
        raise Undecodable(str(error)) from error
    _check(recorded, event.order_id)
    return OrderEvent(event.order_id, recorded.version, event)


def is_id(text: str) -> bool:
    """Whether it has the form of all ids of orders and customers: a UUID in lower case."""
    return _ID.fullmatch(text) is not None


def _customer_event(recorded: event_log_pb2.RecordedEvent) -> CustomerEvent:
    try:
        event = customers.EVENT_TYPES.parse(recorded.event_type, recorded.event_data)
    except UnknownEvent as error:
        raise Undecodable(str(error)) from error
    _check(recorded, event.customer_id)
    return CustomerEvent(event.customer_id, recorded.version)


def _check(recorded: event_log_pb2.RecordedEvent, named: str) -> None:
    if recorded.version < 1 or not is_id(named) or named != recorded.aggregate_id:
        raise Undecodable(f"it names {named!r}, its headers {recorded.aggregate_id!r} in version {recorded.version}")
