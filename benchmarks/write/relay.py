"""The relay with a backlog against a raw idempotent producer of the same messages."""

import asyncio
import os
import time
import uuid
from collections.abc import Sequence
from functools import partial

import psycopg
from confluent_kafka import Producer

from benchmarks.database import BenchDatabase
from benchmarks.figures import Figure, interleaved
from benchmarks.relayed import all_published, remove_topics
from command_service.event_store.rows import recorded
from command_service.relay.app import serve
from command_service.relay.publisher import CONFIG
from command_service.relay.settings import RelaySettings
from command_service.statements import statement
from deploy.local.profile import Profile
from orderflow.events.v1.event_log_pb2 import EventMetadata
from service_kit.cloudevents import headers_of
from tests.support.eventually import eventually

_EVENTS = 100_000
_FILL = """
INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
SELECT 0, gen_random_uuid(), 'order', 1, 'orderflow.orders.v1.OrderCreated', %b, %b, statement_timestamp()
FROM generate_series(1, %s)
"""
Sendable = tuple[str, bytes, int, Sequence[tuple[str, bytes]]]


async def relay_of_a_backlog(bench: BenchDatabase) -> Figure:
    """From the start of a relay to the moment when its cursor has passed all events."""
    prefix = f"bench-{uuid.uuid4().hex[:12]}"
    settings = RelaySettings(
        write_db_url=bench.url, kafka_brokers=Profile("test").address("kafka"), kafka_topic_prefix=prefix
    )
    with psycopg.connect(bench.owner_url, autocommit=True) as owner:
        _fill(owner)
        messages = _messages(owner)
        try:

            async def ours() -> float:
                owner.execute("UPDATE relay_cursor SET position = 0")
                stop = asyncio.Event()
                begin = time.perf_counter()
                relaying = asyncio.create_task(serve(settings, stop))
                published = partial(asyncio.to_thread, all_published, owner)
                await eventually(published, within=120, what="the end of the log")
                seconds = time.perf_counter() - begin
                stop.set()
                await relaying
                return len(messages) / seconds

            async def limit() -> float:
                return await asyncio.to_thread(_produce_raw, settings, messages)

            values, detail = await interleaved(ours, limit)
        finally:
            remove_topics(prefix)
    return Figure("relay of a backlog / raw idempotent producer of the same messages", values, 0.6, detail=detail)


def _fill(owner: "psycopg.Connection[psycopg.rows.TupleRow]") -> None:
    metadata = EventMetadata(principal="anonymous", command_type="orderflow.orders.v1.CreateOrderRequest")
    owner.execute(_FILL, [os.urandom(250), metadata.SerializeToString(), _EVENTS])


def _messages(owner: "psycopg.Connection[psycopg.rows.TupleRow]") -> list[Sendable]:
    arguments = {"log_shard": 0, "after_position": 0, "limit": 10_000_000}
    rows = owner.execute(statement("event_store", "read_log"), arguments, binary=True).fetchall()
    events = [recorded(row) for row in rows]
    return [
        (each.aggregate_id, each.event_data, uuid.UUID(each.aggregate_id).int % 12, _headers(each)) for each in events
    ]


def _headers(event: object) -> Sequence[tuple[str, bytes]]:
    return headers_of(event, traceparent="", tracestate="")  # type: ignore[arg-type, return-value]


def _produce_raw(settings: RelaySettings, messages: Sequence[Sendable]) -> float:
    topic = f"{settings.kafka_topic_prefix}.orders.events.v1"
    begin = time.perf_counter()
    producer = Producer({**CONFIG, "bootstrap.servers": settings.kafka_brokers})
    for key, value, partition, headers in messages:
        while True:
            try:
                producer.produce(topic, value=value, key=key, partition=partition, headers=list(headers))
            except BufferError:
                producer.poll(0.01)
            else:
                break
    producer.flush()
    return len(messages) / (time.perf_counter() - begin)
