"""A batch of Kafka messages, by the aggregates that they are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import structlog
from confluent_kafka import Message
from opentelemetry.trace import Span, StatusCode

from projector.errors import Undecodable, Unprojectable
from projector.events import Aggregates, AnyEvent, event_in
from projector.folding import Failure
from projector.quarantine import Record
from projector.quarantine_records import aggregate_record, cause_text, headers_of, key_of, message_record
from projector.tracing import message_span, projection_span
from service_kit.cloudevents import text_headers

_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The events of one type of aggregate, in the order in which they came, and their spans; by aggregate."""

    aggregate_type: str
    events: dict[str, list[AnyEvent]] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    messages: dict[str, list[Message]] = field(default_factory=dict)

    def add(self, event: AnyEvent, span: Span, message: Message) -> None:
        """Adds an event."""
        id_ = event.aggregate_id
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

    Args:
        aggregates: a message that names none of them is a failure.
    """

    def __init__(
        self, messages: Iterable[Message], aggregates: Aggregates, *, group: str, projection: str, time_us: int
    ) -> None:
        self.deliveries = {type_: Deliveries(type_) for type_ in aggregates}
        self.records: dict[str, Record] = {}
        """Of what cannot be projected, by the entries' ids."""
        self._aggregates = aggregates
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

    def fail(self, deliveries: Deliveries, failures: Mapping[str, Failure]) -> None:
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
            event = event_in(key_of(message), message.value(), headers_of(message), self._aggregates)
        except Undecodable as cause:
            self._record(message_record(message, cause, time_us=self._time_us), cause, [span])
            return
        span.set_attributes(
            {
                "orderflow.projection.name": self._projection,
                "orderflow.event.type": headers.get("ce_type", ""),
                f"orderflow.{event.aggregate_type}.id": event.aggregate_id,
            }
        )
        projecting = projection_span(span, self._projection)
        self._spans.append(projecting)
        self.deliveries[event.aggregate_type].add(event, projecting, message)

    def _record(self, record: Record, cause: Unprojectable, spans: Iterable[Span]) -> None:
        entry = record.entry
        _log.error(
            "cannot be projected",
            projection=self._projection,
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
