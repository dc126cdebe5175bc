"""Connections to the write database that give up in seconds, and say so as the contract does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

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
    "jit": "off",  # compiling a statement takes longer than any of these runs
}

KEEP_ALIVE: dict[str, Any] = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""Probes of a connection that waits for an answer: of a host that vanished none would come for two hours."""
_CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    **KEEP_ALIVE,
    "application_name": "orderflow",
}


def _options(session: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in session.items())


def unavailable() -> StoreUnavailable:
    """What a caller is told while the database is away, or its commit's outcome is unknown."""
    return StoreUnavailable("the event store is unavailable; safe to retry with the same request id")


class Database:
    """Connections to the primary; never a replica, as commands decide on what they read."""

    def __init__(self, url: str, *, max_connections: int) -> None:
        self._url = url
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs={**_CONNECTION, "options": _options(_SESSION)},
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
            raise unavailable() from error

    async def own_connection(self, session: Mapping[str, str] | None = None) -> Connection:
        """A connection outside the pool, in autocommit mode, for the caller alone, who closes it.

        Args:
            session: settings of the server for this connection, beside those that all have.

        Raises:
            StoreUnavailable: the database is away.
        """
        options = _options({**_SESSION, **(session or {})})
        try:
            return await psycopg.AsyncConnection.connect(self._url, **_CONNECTION, options=options)
        except psycopg.OperationalError as error:
            raise unavailable() from error

    async def check(self) -> None:
        """Returns while the database answers; for readiness."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")
