"""The append's plan: made once, and one that never reads a whole table."""

import uuid
from collections.abc import AsyncIterator, Mapping

import psycopg
import pytest

from command_service.event_store.database import Connection, Database
from command_service.event_store.port import Appended
from command_service.event_store.writer import ShardWriter
from tests.integration.command_service.appends import append_of
from tests.integration.conftest import WriteDatabase

_FILL = """
INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
SELECT 0, gen_random_uuid(), 'order', 1, 'Event', '', '', now() FROM generate_series(1, 5000);
INSERT INTO idempotency (log_shard, principal, request_id, digest, contract_version, response)
SELECT 0, 'anonymous', gen_random_uuid(), '', '', '' FROM generate_series(1, 5000);
"""
_READ_WHOLE = """
SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('event_store', 'idempotency') AND seq_scan > 0
"""


class Watched(Database):
    """A database that keeps the writer's connection at hand."""

    writing: Connection

    async def own_connection(self, session: Mapping[str, str] | None = None) -> Connection:
        """The connection, kept."""
        self.writing = await super().own_connection(session)
        return self.writing


@pytest.fixture
async def database(write_database: WriteDatabase) -> AsyncIterator[Watched]:
    async with Watched(write_database.service_url, max_connections=2) as database:
        yield database


@pytest.fixture
async def writer(database: Watched) -> AsyncIterator[ShardWriter]:
    writer = ShardWriter(database, 0)
    yield writer
    await writer.close()


async def test_a_plan_made_for_empty_tables_reads_no_table_whole_when_they_have_grown(
    write_database: WriteDatabase, database: Watched, writer: ShardWriter
) -> None:
    with psycopg.connect(write_database.owner_url, autocommit=True) as owner:
        owner.execute("ANALYZE event_store, idempotency")
        assert await writer.commit([append_of(uuid.uuid4(), request="before")]) == [Appended()]
        owner.execute(_FILL)
    assert await writer.commit([append_of(uuid.uuid4(), request="after")]) == [Appended()]
    await database.writing.execute("SELECT pg_stat_force_next_flush()")
    assert await (await database.writing.execute(_READ_WHOLE)).fetchall() == []


async def test_batches_of_any_size_are_planned_once(database: Watched, writer: ShardWriter) -> None:
    for size in range(1, 20):
        batch = [append_of(uuid.uuid4(), request=f"{size}-{number}") for number in range(size)]
        assert await writer.commit(batch) == [Appended()] * size
    planned = "SELECT sum(custom_plans) FROM pg_prepared_statements WHERE statement ~ 'event_store'"
    assert await (await database.writing.execute(planned)).fetchall() == [(0,)]
