"""A batch of Kafka messages, by the aggregates that they are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import structlog
from confluent_kafka import Message
from opentelemetry.trace import Span, StatusCode

from projector.errors import Undecodable, Unprojectable
from projector.events import CustomerEvent, OrderEvent, event_in, headers_of
from projector.tracing import message_span, projection_span
from service_kit.cloudevents import text_headers
from service_kit.kafka_consumer import Partition

Event = TypeVar("Event")
_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message stands."""

    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class Deliveries(Generic[Event]):
    """The events of one type of aggregate, in the order in which they came, and their spans; by aggregate."""

    events: dict[str, list[Event]] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    first: dict[str, _Place] = field(default_factory=dict)

    def add(self, id_: str, event: Event, span: Span, place: _Place) -> None:
        """Adds an event of the aggregate with this id."""
        self.events.setdefault(id_, []).append(event)
        self.spans.setdefault(id_, []).append(span)
        self.first.setdefault(id_, place)


class Batch:
    """Decodes messages, and knows where their partitions have to stop.

    Once a message cannot be decoded, nothing after it in its partition is looked at. Where an aggregate cannot be
    projected, its partition stops at the aggregate's first message in the batch; what came after it for others is
    projected all the same: it will come again, and a repeat changes nothing.

    The messages' spans end when the batch is left as a context.
    """

    def __init__(self, messages: Iterable[Message], *, group: str, projection: str) -> None:
        self.orders: Deliveries[OrderEvent] = Deliveries()
        self.customers: Deliveries[CustomerEvent] = Deliveries()
        self.stops: dict[Partition, int] = {}
        self._group = group
        self._projection = projection
        self._spans: list[Span] = []
        for message in messages:
            self._take(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for span in reversed(self._spans):
            span.end()

    def fail(self, deliveries: Deliveries[Event], failures: Mapping[str, Unprojectable]) -> None:
        """Stops the partitions of aggregates that cannot be projected."""
        for id_, failure in failures.items():
            self._stop(deliveries.first[id_], failure, deliveries.spans[id_], aggregate_id=id_)

    def _take(self, message: Message) -> None:
        place = _Place((message.topic() or "", message.partition() or 0), message.offset() or 0)
        if place.partition in self.stops:
            return
        headers = text_headers(headers_of(message))
        span = message_span(*place.partition, place.offset, self._group, headers)
        self._spans.append(span)
        try:
            event = event_in(message)
        except Undecodable as failure:
            self._stop(place, failure, [span])
            return
        span.set_attributes({"orderflow.projection.name": self._projection, "orderflow.event.type": headers["ce_type"]})
        projecting = projection_span(span, self._projection)
        self._spans.append(projecting)
        match event:
            case OrderEvent(order_id=id_):
                span.set_attribute("orderflow.order.id", id_)
                self.orders.add(id_, event, projecting, place)
            case CustomerEvent(customer_id=id_):
                span.set_attribute("orderflow.customer.id", id_)
                self.customers.add(id_, event, projecting, place)

    def _stop(self, place: _Place, cause: Unprojectable, spans: Iterable[Span], **about: str) -> None:
        _log.error(
            "cannot be projected",
            topic=place.partition[0],
            partition=place.partition[1],
            offset=place.offset,
            cause=f"{type(cause).__name__}: {cause}",
            **about,
        )
        self.stops[place.partition] = min(place.offset, self.stops.get(place.partition, place.offset))
        for span in spans:
            span.set_status(StatusCode.ERROR, type(cause).__name__)
