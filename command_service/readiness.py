"""Waits for the write database, for processes that may be started before it is there."""

import asyncio
from typing import Any

import psycopg
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from command_service.event_store.sharding import agree_on_shards

_log = structlog.get_logger("command_service")


async def database_ready(url: str, shard_count: int, stop: asyncio.Event) -> bool:
    """Waits until the database is there and migrated; False when told to stop before.

    Raises:
        ShardCountMismatch: the log was made with another number of shards.
    """
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(psycopg.Error),
        wait=wait_exponential(multiplier=0.1, max=2.0),
        before_sleep=lambda _state: _log.info("waiting for the write database"),
    )
    agreeing: asyncio.Future[Any] = asyncio.ensure_future(
        attempts(asyncio.to_thread, agree_on_shards, url, shard_count)
    )
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    await asyncio.wait([agreeing, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not agreeing.done():
        agreeing.cancel()
        return False
    await agreeing
    return True
