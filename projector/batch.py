"""A batch of Kafka messages, by the aggregates that they are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import structlog
from confluent_kafka import Message
from opentelemetry.trace import Span, StatusCode

from projector.errors import Undecodable, Unprojectable
from projector.events import AggregateType, AnyEvent, CustomerEvent, OrderEvent, UnreadableEvent, event_in
from projector.folding import Failure
from projector.quarantine import Record
from projector.quarantine_records import aggregate_record, cause_text, headers_of, key_of, message_record
from projector.tracing import message_span, projection_span
from service_kit.cloudevents import text_headers

Event = TypeVar("Event", OrderEvent, CustomerEvent)
_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Deliveries(Generic[Event]):
    """The events of one type of aggregate, in the order in which they came, and their spans; by aggregate."""

    aggregate_type: AggregateType
    events: dict[str, list[Event | UnreadableEvent]] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    messages: dict[str, list[Message]] = field(default_factory=dict)

    def add(self, id_: str, event: Event | UnreadableEvent, span: Span, message: Message) -> None:
        """Adds an event of the aggregate with this id."""
        self.events.setdefault(id_, []).append(event)
        self.spans.setdefault(id_, []).append(span)
        self.messages.setdefault(id_, []).append(message)

    def pass_by(self, id_: str) -> None:
        """Leaves an aggregate's events out, though their spans show that they came."""
        del self.events[id_]
        for span in self.spans[id_]:
            span.set_attribute("orderflow.projection.passed_by", value=True)

    def message_of(self, id_: str, version: int) -> Message:
        """The message that brought a version of an aggregate, or else the first that shows that it is missing."""
        come = zip((each.version for each in self.events[id_]), self.messages[id_], strict=True)
        return min(come, key=lambda each: (each[0] < version, each[0]))[1]


class Batch:
    """Decodes messages, and makes a record of each failure.

    The messages' spans end when the batch is left as a context.
    """

    def __init__(self, messages: Iterable[Message], *, group: str, projection: str, time_us: int) -> None:
        self.orders: Deliveries[OrderEvent] = Deliveries("order")
        self.customers: Deliveries[CustomerEvent] = Deliveries("customer")
        self.records: dict[str, Record] = {}
        """Of what cannot be projected, by the entries' ids."""
        self._group = group
        self._projection = projection
        self._time_us = time_us
        self._spans: list[Span] = []
        for message in messages:
            self._take(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for span in reversed(self._spans):
            span.end()

    def fail(self, deliveries: Deliveries[Event], failures: Mapping[str, Failure]) -> None:
        """Records aggregates that cannot be projected."""
        for id_, failure in failures.items():
            message = deliveries.message_of(id_, failure.version)
            record = aggregate_record(deliveries.aggregate_type, id_, failure, message, time_us=self._time_us)
            self._record(record, failure.cause, deliveries.spans[id_])

    def _take(self, message: Message) -> None:
        headers = text_headers(headers_of(message))
        span = message_span(
            message.topic() or "", message.partition() or 0, message.offset() or 0, self._group, headers
        )
        self._spans.append(span)
        try:
            event = event_in(key_of(message), message.value(), headers_of(message))
        except Undecodable as cause:
            self._record(message_record(message, cause, time_us=self._time_us), cause, [span])
            return
        span.set_attributes(
            {"orderflow.projection.name": self._projection, "orderflow.event.type": headers.get("ce_type", "")}
        )
        projecting = projection_span(span, self._projection)
        self._spans.append(projecting)
        self._deliver(event, message, span, projecting)

    def _deliver(self, event: AnyEvent, message: Message, span: Span, projecting: Span) -> None:
        match event:
            case OrderEvent(order_id=id_) | UnreadableEvent(aggregate_type="order", aggregate_id=id_):
                span.set_attribute("orderflow.order.id", id_)
                self.orders.add(id_, event, projecting, message)
            case CustomerEvent(customer_id=id_) | UnreadableEvent(aggregate_id=id_):
                span.set_attribute("orderflow.customer.id", id_)
                self.customers.add(id_, event, projecting, message)

    def _record(self, record: Record, cause: Unprojectable, spans: Iterable[Span]) -> None:
        entry = record.entry
        _log.error(
            "cannot be projected",
            topic=entry.topic,
            partition=entry.partition,
            offset=entry.offset,
            entry=entry.id,
            version=entry.version,
            cause=cause_text(cause),
        )
        self.records[entry.id] = record
        for span in spans:
            span.set_status(StatusCode.ERROR, type(cause).__name__)
