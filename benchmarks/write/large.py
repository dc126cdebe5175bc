"""`python -m benchmarks.write.large`: appends into a log of ten million events against one of ten thousand."""

import argparse
import asyncio
import time

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from benchmarks.database import BenchDatabase, bench_database
from benchmarks.figures import Figure, interleaved, show
from benchmarks.write.appends import append_of_a_new_order, append_rate
from command_service.event_store.database import Database
from command_service.event_store.postgres import PostgresEventStore

_SMALL = 10_000
_LARGE = 10_000_000
_STEP = 500_000
_EVENTS = """
INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
SELECT 0, gen_random_uuid(), 'order', 1, 'orderflow.orders.v1.OrderCreated', %b, %b, statement_timestamp()
FROM generate_series(1, %s)
"""
_REQUESTS = """
INSERT INTO idempotency (log_shard, principal, request_id, digest, contract_version, response)
SELECT 0, 'anonymous', gen_random_uuid()::text, %b, %s, %b FROM generate_series(1, %s)
"""
_WITHOUT_KEYS = """
ALTER TABLE event_store DROP CONSTRAINT event_store_pkey, DROP CONSTRAINT event_store_aggregate_version_key;
ALTER TABLE idempotency DROP CONSTRAINT idempotency_pkey;
"""
_WITH_KEYS = """
ALTER TABLE event_store ADD CONSTRAINT event_store_pkey PRIMARY KEY (log_shard, position);
ALTER TABLE event_store ADD CONSTRAINT event_store_aggregate_version_key UNIQUE (aggregate_id, version);
ALTER TABLE idempotency ADD CONSTRAINT idempotency_pkey PRIMARY KEY (log_shard, principal, request_id);
"""


async def _measure(large: int) -> None:
    async with bench_database() as small_bench, bench_database() as large_bench:
        await asyncio.to_thread(_fill, small_bench, _SMALL)
        await asyncio.to_thread(_fill, large_bench, large)
        async with (
            Database(small_bench.url, max_connections=4) as small_database,
            Database(large_bench.url, max_connections=4) as large_database,
            PostgresEventStore(small_database, 1, max_waiting=10_000) as small_store,
            PostgresEventStore(large_database, 1, max_waiting=10_000) as large_store,
        ):
            values, detail = await interleaved(lambda: append_rate(large_store), lambda: append_rate(small_store))
    show([Figure(f"append rate at {large:,} events / at {_SMALL:,}", values, 0.9, detail=detail)])


def _fill(bench: BenchDatabase, events: int) -> None:
    sample = append_of_a_new_order()
    request = sample.request
    if request is None:
        raise AssertionError("a sample has a request id")
    with psycopg.connect(bench.owner_url, autocommit=True) as owner:
        owner.execute(_WITHOUT_KEYS)
        begin = time.monotonic()
        for done in range(0, events, _STEP):
            step = min(_STEP, events - done)
            owner.execute(_EVENTS, [sample.events[0].event_data, sample.metadata, step])
            owner.execute(_REQUESTS, [request.digest, request.contract_version, sample.response, step])
            print(f"{done + step:>12,} of {events:,} events stored, {time.monotonic() - begin:.0f} s", flush=True)
        owner.execute(_WITH_KEYS)
        _tidy(owner)
    print(f"indexed and analyzed, {time.monotonic() - begin:.0f} s", flush=True)


def _tidy(owner: "psycopg.Connection[TupleRow]") -> None:
    """What autovacuum would do in the middle of a round."""
    for table in ("event_store", "idempotency"):
        owner.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.write.large", description=__doc__)
    parser.add_argument("--events", type=int, default=_LARGE, help=f"in the large log (default: {_LARGE:,})")
    asyncio.run(_measure(parser.parse_args().events))
