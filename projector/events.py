"""The events of orders and customers, as they are read out of Kafka messages and the event log."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from event_schemas import customers, orders
from event_schemas.event_types import UnknownEvent
from orderflow.events.v1 import event_log_pb2
from projector.errors import Undecodable, Unprojectable
from service_kit import cloudevents

AggregateType: TypeAlias = Literal["order", "customer"]
_AGGREGATE_TYPES: Mapping[str, AggregateType] = {"order": "order", "customer": "customer"}
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
Headers: TypeAlias = Sequence[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What happened to an order, which has this version since."""

    order_id: str
    version: int
    event: orders.OrderEvent


@dataclass(frozen=True, slots=True)
class CustomerEvent:
    """What happened to a customer, which has this version since."""

    customer_id: str
    version: int
    event: customers.CustomerEvent


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """A version of an order or customer of which it is not known what happened."""

    aggregate_type: AggregateType
    aggregate_id: str
    version: int
    cause: Unprojectable


AnyEvent: TypeAlias = OrderEvent | CustomerEvent | UnreadableEvent


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message or a recorded event says that it is about."""

    aggregate_type: AggregateType
    aggregate_id: str
    version: int

    def unreadable(self, cause: Unprojectable) -> UnreadableEvent:
        """Its event, which cannot be read."""
        return UnreadableEvent(self.aggregate_type, self.aggregate_id, self.version, cause)


def event_in(key: bytes | None, value: bytes | None, headers: Headers) -> AnyEvent:
    """The event that a message carries.

    Raises:
        Undecodable: it names no order and no customer.
    """
    subject = subject_of(key, headers)
    try:
        recorded = cloudevents.event_of(value, headers)
    except cloudevents.NotAnEvent as error:
        return subject.unreadable(Undecodable(str(error)))
    return event_of(subject, recorded)


def subject_of(key: bytes | None, headers: Headers) -> Subject:
    """What a message is about, by its key and headers alone: they must agree, as they do in all of the relay's.

    Raises:
        Undecodable: it names no order and no customer.
    """
    texts = cloudevents.text_headers(headers)
    subject = _subject(texts.get("ce_aggregatetype"), texts.get("ce_subject", ""), texts.get("ce_aggregateversion", ""))
    if key is None or key.decode("utf-8", "replace") != subject.aggregate_id:
        raise Undecodable(f"its key is not {subject.aggregate_id}, which its headers name")
    return subject


def event_of(subject: Subject, recorded: event_log_pb2.RecordedEvent) -> AnyEvent:
    """The event that was recorded of this version of an order or customer."""
    try:
        if subject.aggregate_type == "order":
            event = orders.EVENT_TYPES.parse(recorded.event_type, recorded.event_data)
            found: AnyEvent = OrderEvent(event.order_id, subject.version, event)
            named = event.order_id
        else:
            changed = customers.EVENT_TYPES.parse(recorded.event_type, recorded.event_data)
            found = CustomerEvent(changed.customer_id, subject.version, changed)
            named = changed.customer_id
    except UnknownEvent as error:
        return subject.unreadable(Undecodable(str(error)))
    if named != subject.aggregate_id:
        return subject.unreadable(Undecodable(f"it is about {named!r}"))
    return found


def is_id(text: str) -> bool:
    """Whether it has the form of all ids of orders and customers: a UUID in lower case."""
    return _ID.fullmatch(text) is not None


def _subject(aggregate_type: str | None, aggregate_id: str, version: str) -> Subject:
    known = _AGGREGATE_TYPES.get(aggregate_type or "")
    if known is None:
        raise Undecodable(f"an event of a {aggregate_type!r}")
    if not is_id(aggregate_id) or not _VERSION.fullmatch(version):
        raise Undecodable(f"an event of {known} {aggregate_id!r} in version {version!r}")
    return Subject(known, aggregate_id, int(version))
