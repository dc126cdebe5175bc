"""Sends events to Kafka in order and tells which prefix of them has arrived."""

import logging
from collections import deque
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from command_service.relay.topics import Topics
from orderflow.events.v1 import event_log_pb2
from service_kit.cloudevents import headers_of
from service_kit.telemetry import context_of, traceparent

_CONFIG = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "message.timeout.ms": 0,  # never: a message that is given up leaves a gap
    "linger.ms": 5,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 256 * 1024,
}
_tracer = trace.get_tracer("command_service.relay")


class DeliveryFailed(Exception):
    """Kafka did not take a message; start again from the cursor with a new producer."""


class Publisher:
    """Publishes a shard's events; made anew after any error, and never used from two threads."""

    def __init__(self, brokers: str, topics: Topics) -> None:
        self._topics = topics
        self._failure: Exception | None = None
        self._producer = Producer(
            {
                **_CONFIG,
                "bootstrap.servers": brokers,
                "error_cb": self._on_error,
                "logger": logging.getLogger("rdkafka"),
            }
        )
        self._in_flight: deque[list[int | bool]] = deque()

    @property
    def in_flight(self) -> int:
        """How many events were sent and are not in the delivered prefix yet."""
        return len(self._in_flight)

    def send(self, events: Sequence[event_log_pb2.RecordedEvent]) -> int:
        """Queues events, in the order of their positions, as far as the queue has room; how many."""
        for sent, event in enumerate(events):
            try:
                self._send(event)
            except BufferError:
                return sent
        return len(events)

    def poll(self, seconds: float) -> int | None:
        """Waits for deliveries; the last position of the delivered prefix, or None if it has not grown.

        Raises:
            DeliveryFailed: a message was not taken.
            KafkaException: the producer is broken for good.
        """
        self._producer.poll(seconds)
        if self._failure is not None:
            raise self._failure
        position = None
        while self._in_flight and self._in_flight[0][1]:
            position = int(self._in_flight.popleft()[0])
        return position

    def abandon(self) -> None:
        """Drops what was not sent; a new publisher sends it again.

        What is under way may still arrive: to drop that, too, is a gap to the producer, which it takes for fatal.
        """
        self._producer.purge(in_flight=False)
        self._producer.flush(1.0)

    def _send(self, event: event_log_pb2.RecordedEvent) -> None:
        topic, partition = self._topics.destination(event.aggregate_type, event.aggregate_id)
        parent = context_of({"traceparent": event.metadata.traceparent, "tracestate": event.metadata.tracestate})
        entry: list[int | bool] = [event.position, False]
        span = None
        if trace.get_current_span(parent).get_span_context().trace_flags.sampled:
            span = _tracer.start_span(
                f"send {topic}", context=parent, kind=SpanKind.PRODUCER, attributes=_attributes(event, topic, partition)
            )
            with trace.use_span(span, end_on_exit=False):
                parent_value, state_value = traceparent()
        else:
            parent_value, state_value = event.metadata.traceparent, event.metadata.tracestate

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if span is not None:
                if error is not None:
                    span.set_status(StatusCode.ERROR, error.str())
                span.end()
            if error is None:
                entry[1] = True
            else:
                self._failure = self._failure or DeliveryFailed(error.str())

        self._producer.produce(
            topic,
            value=event.event_data,
            key=event.aggregate_id,
            partition=partition,
            headers=headers_of(event, traceparent=parent_value, tracestate=state_value),
            on_delivery=delivered,
        )
        self._in_flight.append(entry)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = KafkaException(error)


def _attributes(event: event_log_pb2.RecordedEvent, topic: str, partition: int) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.message.key": event.aggregate_id,
        "messaging.message.id": f"{event.aggregate_id}/{event.version}",
        "orderflow.aggregate.id": event.aggregate_id,
        "orderflow.event.type": event.event_type,
        "orderflow.aggregate.version": event.version,
    }
