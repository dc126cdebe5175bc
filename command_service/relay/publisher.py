"""Sends events to Kafka in order and tells which prefix of them has arrived."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from psycopg.rows import TupleRow

from command_service.relay.topics import Topics
from orderflow.events.v1 import event_log_pb2
from service_kit.cloudevents import headers
from service_kit.telemetry import context_of, traceparent

CONFIG = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "message.timeout.ms": 0,  # never: a message that is given up leaves a gap
    "linger.ms": 1,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 256 * 1024,
}
OnDelivery: TypeAlias = Callable[[KafkaError | None, Message], None]
_ODD = "13579bdf"
_tracer = trace.get_tracer("command_service.relay")


class DeliveryFailed(Exception):
    """Kafka did not take a message; start again from the cursor with a new producer."""


class _Stretch:
    """Events that were sent one after the other.

    Args:
        position: of the last of them.
        under_way: how many of them have not been delivered yet.
    """

    __slots__ = ("position", "under_way")

    def __init__(self) -> None:
        self.position = 0
        self.under_way = 0


class Publisher:
    """Publishes a shard's events; made anew after any error, and never used from two threads."""

    def __init__(self, brokers: str, topics: Topics, log_shard: int) -> None:
        self._topics = topics
        self._log_shard = log_shard
        self._failure: Exception | None = None
        self._delivered = 0
        self._producer = Producer(
            {
                **CONFIG,
                "bootstrap.servers": brokers,
                "error_cb": self._on_error,
                "logger": logging.getLogger("rdkafka"),
            }
        )
        self._stretches: deque[_Stretch] = deque()

    @property
    def in_flight(self) -> int:
        """How many events were sent and are not delivered yet."""
        return sum(stretch.under_way for stretch in self._stretches)

    def send(self, rows: Sequence[TupleRow]) -> int:
        """Queues the rows of `read.sql`, as far as the queue has room; how many."""
        stretch = _Stretch()
        on_delivery = self._deliveries_of(stretch)
        for row in rows:
            try:
                self._send(row, on_delivery)
            except BufferError:
                break
            stretch.position = row[0]
            stretch.under_way += 1
        sent = stretch.under_way
        if sent:
            self._stretches.append(stretch)
        return sent

    def poll(self, seconds: float) -> int | None:
        """Waits for deliveries; the last position of the delivered stretches, or None if there are no new ones.

        Raises:
            DeliveryFailed: a message was not taken.
            KafkaException: the producer is broken for good.
        """
        self._producer.poll(seconds)
        if self._failure is not None:
            raise self._failure
        position = None
        while self._stretches and self._stretches[0].under_way == 0:
            position = self._stretches.popleft().position
        return position

    def take_delivered(self) -> int:
        """How many events were delivered since this was asked last."""
        delivered, self._delivered = self._delivered, 0
        return delivered

    def abandon(self) -> None:
        """Drops what was not sent; a new publisher sends it again.

        What is under way may still arrive: to drop that, too, is a gap to the producer, which it takes for fatal.
        """
        self._producer.purge(in_flight=False)
        self._producer.flush(1.0)

    def _send(self, row: TupleRow, on_delivery: OnDelivery) -> None:
        position, aggregate_type, aggregate_id, version, event_type, event_data, metadata, record_time = row
        topic, partition = self._topics.destination(aggregate_type, aggregate_id)
        origin = event_log_pb2.EventMetadata.FromString(metadata)
        parent, state = origin.traceparent, origin.tracestate
        if _is_sampled(parent):
            span = _span(topic, partition, origin, aggregate_id, event_type, version)
            with trace.use_span(span, end_on_exit=False):
                parent, state = traceparent()
            on_delivery = _ending(span, on_delivery)
        self._producer.produce(
            topic,
            value=event_data,
            key=aggregate_id,
            partition=partition,
            headers=headers(
                position,
                self._log_shard,
                aggregate_type,
                aggregate_id,
                version,
                event_type,
                record_time,
                traceparent=parent,
                tracestate=state,
            ),
            on_delivery=on_delivery,
        )

    def _deliveries_of(self, stretch: _Stretch) -> OnDelivery:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                stretch.under_way -= 1
                self._delivered += 1
            else:
                self._failure = self._failure or DeliveryFailed(error.str())

        return delivered

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = KafkaException(error)


def _is_sampled(parent: str) -> bool:
    """Whether a `traceparent` asks for spans: the last bit of its flags."""
    return parent[-1:] in _ODD if parent else False


def _span(  # noqa: PLR0917
    topic: str, partition: int, origin: event_log_pb2.EventMetadata, aggregate_id: str, event_type: str, version: int
) -> trace.Span:
    """The span of a message's way to Kafka, in the trace of the command."""
    return _tracer.start_span(
        f"send {topic}",
        context=context_of({"traceparent": origin.traceparent, "tracestate": origin.tracestate}),
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.kafka.message.key": aggregate_id,
            "messaging.message.id": f"{aggregate_id}/{version}",
            "orderflow.aggregate.id": aggregate_id,
            "orderflow.event.type": event_type,
            "orderflow.aggregate.version": version,
        },
    )


def _ending(span: trace.Span, on_delivery: OnDelivery) -> OnDelivery:
    """Ends the span, too, when its message is delivered or not."""

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            span.set_status(StatusCode.ERROR, error.str())
        span.end()
        on_delivery(error, message)

    return delivered
