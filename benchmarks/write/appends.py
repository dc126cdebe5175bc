"""In-process appends against raw inserts in batches into the same table."""

import asyncio
import os
import time
import uuid

import psycopg

from benchmarks.database import BenchDatabase
from benchmarks.figures import Figure, interleaved
from command_service.event_store.database import Database
from command_service.event_store.port import Append, NewEvent, RequestKey
from command_service.event_store.postgres import PostgresEventStore

_EVENTS = 12_800
_CONCURRENCY = 256
_DATA = os.urandom(250)
_TYPE = "orderflow.orders.v1.OrderCreated"
_RAW = """
INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
SELECT 0, aggregate_id, 'order', 1, event_type, event_data, metadata, statement_timestamp()
FROM unnest(%b::uuid[], %b::text[], %b::bytea[], %b::bytea[]) AS event (aggregate_id, event_type, event_data, metadata)
"""


async def in_process_appends(bench: BenchDatabase) -> Figure:
    """What `append_rate` appends, against rows in batches of 256."""
    async with (
        Database(bench.url, max_connections=4) as database,
        PostgresEventStore(database, 1, max_waiting=10_000) as store,
        await psycopg.AsyncConnection.connect(bench.url, autocommit=True) as raw,
    ):

        async def limit() -> float:
            begin = time.perf_counter()
            for _ in range(_EVENTS // _CONCURRENCY):
                ids = [uuid.uuid4() for _ in range(_CONCURRENCY)]
                rows = (ids, [_TYPE] * _CONCURRENCY, [_DATA] * _CONCURRENCY, [_DATA[:80]] * _CONCURRENCY)
                await raw.execute(_RAW, rows, prepare=True, binary=True)
            return _EVENTS / (time.perf_counter() - begin)

        values, detail = await interleaved(lambda: append_rate(store), limit)
    return Figure("in-process appends, concurrency 256 / raw unnest inserts of 256", values, 0.6, detail=detail)


async def append_rate(store: PostgresEventStore) -> float:
    """Appends a second of new one-event aggregates at concurrency 256, each with its request id."""
    left = iter(range(_EVENTS))

    async def write() -> None:
        for _ in left:
            await store.append(append_of_a_new_order())

    begin = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(_CONCURRENCY)))
    return _EVENTS / (time.perf_counter() - begin)


def append_of_a_new_order() -> Append:
    """An append as CreateOrder makes it, in number and size of what is stored."""
    key = RequestKey(
        "anonymous", str(uuid.uuid4()), _DATA[:32], "orderflow.orders.v1.CreateOrderRequest@0123456789abcdef"
    )
    return Append("order", uuid.uuid4(), 0, [NewEvent(_TYPE, _DATA)], _DATA[:80], key, _DATA[:150])
