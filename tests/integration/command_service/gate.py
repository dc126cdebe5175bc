"""Holds appends of the real store between their inserts and their commit, for as long as a test wants."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.rows import TupleRow

from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually

_INSTALL = """
CREATE FUNCTION hold_before_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(random() * 0.002);  -- so that writers without a lock commit in any order
  PERFORM set_config('lock_timeout', '0', true);  -- however long a test needs
  PERFORM pg_advisory_xact_lock_shared(1, hashtext(NEW.aggregate_id::text));
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold_before_commit AFTER INSERT ON event_store
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_before_commit();
"""
_WAITING = """
SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""


class Gate:
    """A gate before the commit of each append to an aggregate; open unless a test closes it."""

    def __init__(self, connection: "psycopg.AsyncConnection[TupleRow]") -> None:
        self._connection = connection

    @asynccontextmanager
    async def closed(self, aggregate_id: uuid.UUID) -> AsyncIterator[None]:
        """Holds every append to the aggregate that comes to its commit, until the end of the body."""
        await self._connection.execute("SELECT pg_advisory_lock(1, hashtext(%s))", [str(aggregate_id)])
        try:
            yield
        finally:
            await self._connection.execute("SELECT pg_advisory_unlock(1, hashtext(%s))", [str(aggregate_id)])

    async def waiting(self) -> int:
        """How many sessions wait: for a gate, for a lock of the store, or for another's commit."""
        row = await (await self._connection.execute(_WAITING)).fetchone()
        assert row is not None
        return int(row[0])

    async def until_waiting(self, count: int, *, within: float = 5.0) -> None:
        """Returns when so many sessions wait."""

        async def enough() -> bool:
            return await self.waiting() >= count

        await eventually(enough, within=within, what=f"{count} sessions waiting")


@asynccontextmanager
async def gate_of(database: WriteDatabase) -> AsyncIterator[Gate]:
    """Builds the gate into a database."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        await connection.execute(_INSTALL)
        yield Gate(connection)
