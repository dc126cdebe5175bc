"""The relay's reading of the log: what it reads ahead is never taken for something else."""

from collections.abc import Iterator

import psycopg
import pytest

from command_service.relay.log_tail import BATCH, LogTail
from tests.integration.conftest import WriteDatabase

COUNT = 2 * BATCH + 7
FILL = """
INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
SELECT %s, gen_random_uuid(), 'order', 1, 'orderflow.orders.v1.OrderCreated', ''::bytea, ''::bytea, now()
FROM generate_series(1, %s)
"""


@pytest.fixture
def owner(write_database: WriteDatabase) -> "Iterator[psycopg.Connection[psycopg.rows.TupleRow]]":
    """A connection to a log with more than two batches of events in shard 0, and others between them."""
    with psycopg.connect(write_database.owner_url, autocommit=True) as connection:
        for count in (BATCH // 2, BATCH, COUNT - 3 * BATCH // 2):
            connection.execute(FILL, [0, count])
            connection.execute(FILL, [1, 5])
        yield connection


@pytest.fixture
def log(write_database: WriteDatabase) -> Iterator[LogTail]:
    """Shard 0, read as by the relay."""
    with LogTail(lambda: psycopg.connect(write_database.service_url, autocommit=True), 0) as tail:
        yield tail


def positions(owner: "psycopg.Connection[psycopg.rows.TupleRow]") -> list[int]:
    """The positions of shard 0."""
    rows = owner.execute("SELECT position FROM event_store WHERE log_shard = 0 ORDER BY position").fetchall()
    return [row[0] for row in rows]


def test_batches_follow_each_other_without_gap_or_repeat(
    owner: "psycopg.Connection[psycopg.rows.TupleRow]", log: LogTail
) -> None:
    read: list[int] = []
    sizes = []
    while rows := log.after(read[-1] if read else 0):
        read.extend(row[0] for row in rows)
        sizes.append(len(rows))
    assert read == positions(owner)
    assert sizes == [BATCH, BATCH, 7]


def test_only_a_part_of_a_batch_was_sent(owner: "psycopg.Connection[psycopg.rows.TupleRow]", log: LogTail) -> None:
    all_positions = positions(owner)
    log.after(0)
    for begin in (10, 3, BATCH + 2, 0):  # what was read ahead begins elsewhere each time
        rows = log.after(all_positions[begin - 1] if begin else 0)
        assert [row[0] for row in rows] == all_positions[begin : begin + BATCH]


def test_what_came_since_the_end_was_read_ahead_is_found(
    owner: "psycopg.Connection[psycopg.rows.TupleRow]", log: LogTail
) -> None:
    with owner.transaction():
        owner.execute("ALTER TABLE event_store DISABLE TRIGGER event_store_is_append_only")
        owner.execute("DELETE FROM event_store WHERE position > %s", [positions(owner)[BATCH - 1]])
        owner.execute("ALTER TABLE event_store ENABLE TRIGGER event_store_is_append_only")
    last = log.after(0)[-1][0]
    assert log.after(last) == []
    owner.execute(FILL, [0, 1])
    assert [row[0] for row in log.after(last)] == positions(owner)[-1:]


def test_a_lost_connection_is_told_where_it_was_needed(write_database: WriteDatabase) -> None:
    connections: list[psycopg.Connection[psycopg.rows.TupleRow]] = []

    def connect() -> "psycopg.Connection[psycopg.rows.TupleRow]":
        connections.append(psycopg.connect(write_database.service_url, autocommit=True))
        return connections[-1]

    with LogTail(connect, 0) as tail:
        tail.after(0)
        connect().execute("SELECT pg_terminate_backend(%s)", [connections[0].info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            tail.after(0)
    assert connections[0].closed
    connections[1].close()
