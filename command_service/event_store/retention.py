"""Forgets accepted requests once no client will repeat them, so that their memory does not grow for ever."""

import asyncio
from contextlib import suppress

import psycopg
import structlog

from command_service.errors import StoreUnavailable
from command_service.event_store.database import Database
from command_service.statements import statement

_BATCH = 1000
_PAUSE_SECONDS = 0.05  # between batches, so that a large backlog leaves the disk to the appends
_INTERVAL_SECONDS = 600.0
_log = structlog.get_logger("command_service.event_store")


async def forget_old_requests(database: Database, days: int, stop: asyncio.Event) -> None:
    """Deletes what is remembered of requests older than `days`, now and then until `stop` is set; any number may."""
    while not stop.is_set():
        try:
            more = await forget_some(database, days) == _BATCH
        except (StoreUnavailable, psycopg.Error) as error:
            _log.warning("old requests are not forgotten yet", cause=type(error).__name__)
            more = False
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS if more else _INTERVAL_SECONDS)


async def forget_some(database: Database, days: int, *, limit: int = _BATCH) -> int:
    """Deletes what is remembered of some requests older than `days`; of how many.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with database.connection() as connection:
        # Never prepared: a plan for any number of days would read the whole table.
        cursor = await connection.execute(
            statement("event_store", "forget_requests"), {"days": days, "limit": limit}, prepare=False
        )
        row = await cursor.fetchone()
    return int(row[0]) if row else 0
