"""Connections to the write database that give up in seconds, and say so as the contract does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from command_service.errors import StoreUnavailable

Connection = psycopg.AsyncConnection[TupleRow]
_SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    "default_transaction_isolation": r"read\ committed",
}


class Database:
    """A pool of connections to the primary; never a replica, as commands decide on what they read."""

    def __init__(self, url: str, *, max_connections: int) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "connect_timeout": 5,
                "tcp_user_timeout": 10_000,
                "application_name": "orderflow",
                "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
            },
            min_size=1,
            max_size=max_connections,
            timeout=2.0,
            open=False,
            name="write-db",
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode.

        Raises:
            StoreUnavailable: there is none to be had, or it was lost.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.OperationalError as error:  # a pool without a free connection raises one too
            raise StoreUnavailable("the event store is unavailable; safe to retry with the same request id") from error

    async def check(self) -> None:
        """Returns while the database answers; for readiness."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")
