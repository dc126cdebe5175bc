"""The number of the log's shards, fixed when the database was first used, and an aggregate's shard among them."""

from uuid import UUID

import psycopg

from command_service.statements import statement


class ShardCountMismatch(Exception):
    """The log was made with another number of shards; an aggregate's events would fall apart."""


def shard_of(aggregate_id: UUID, shard_count: int) -> int:
    """The aggregate's shard: its id modulo the number of shards, which spreads random and name-based ids alike."""
    return aggregate_id.int % shard_count


def agree_on_shards(url: str, shard_count: int) -> None:
    """Records the number of shards in a new database; returns if an old one has the same.

    Raises:
        ShardCountMismatch: the database was made with another number.
        psycopg.Error: the database is away or has no schema yet.
    """
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        arguments = {"shard_count": shard_count}
        # Two rounds, as a row that another process inserts at the same moment shows only in the second.
        rows = [
            connection.execute(statement("event_store", "record_shard_count"), arguments).fetchone() for _ in range(2)
        ]
    recorded = rows[1][0] if rows[1] else None
    if recorded != shard_count:
        raise ShardCountMismatch(f"LOG_SHARDS is {shard_count}, but this log was made with {recorded}")
