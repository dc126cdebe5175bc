"""The event store on PostgreSQL: appends serialized per shard, so that one number resumes every reader."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import TupleRow

from command_service.errors import StoreUnavailable
from command_service.event_store.database import Connection, Database
from command_service.event_store.port import (
    MAX_EVENT_BYTES,
    Append,
    Appended,
    Conflict,
    History,
    Outcome,
    Remembered,
    RequestKey,
)
from command_service.event_store.rows import recorded
from command_service.event_store.sharding import shard_of
from command_service.statements import statement

_CHUNK = 1000
_RESOLVE_SECONDS = 2.0
_log = structlog.get_logger("command_service.event_store")


class PostgresEventStore:
    """The event store of a database; see the port for what each method promises."""

    def __init__(self, database: Database, shard_count: int) -> None:
        self._database = database
        self._shard_count = shard_count

    async def append(self, append: Append) -> Outcome:  # noqa: D102
        if not append.events and append.request is None:
            raise ValueError("nothing to store")
        if any(len(event.event_data) > MAX_EVENT_BYTES for event in append.events):
            raise ValueError(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return await asyncio.shield(asyncio.ensure_future(self._resolved(append)))

    async def load(self, aggregate_id: UUID, request: RequestKey | None) -> tuple[History, Remembered | None]:  # noqa: D102
        arguments = {"aggregate_ids": [aggregate_id]}
        async with self._database.connection() as connection:
            if request is None:
                return _histories(await _rows(connection, "load", arguments)).get(aggregate_id, []), None
            async with connection.pipeline():
                # In this order: who sees a command's events must see its answer too.
                events = await _execute(connection, "load", arguments)
                answer = await _execute(connection, "recall", self._recall_arguments(aggregate_id, request))
                rows, known = await events.fetchall(), await answer.fetchall()
        return _histories(rows).get(aggregate_id, []), Remembered(*known[0]) if known else None

    async def load_many(self, aggregate_ids: Sequence[UUID]) -> Mapping[UUID, History]:  # noqa: D102
        async with self._database.connection() as connection:
            return _histories(await _rows(connection, "load", {"aggregate_ids": list(aggregate_ids)}))

    async def read_aggregate(  # noqa: D102
        self,
        aggregate_id: UUID,
        *,
        after_version: int = 0,
        to_version: int | None = None,
        to_time: datetime | None = None,
    ) -> AsyncIterator[History]:
        while True:
            arguments = {
                "aggregate_id": aggregate_id,
                "after_version": after_version,
                "to_version": to_version,
                "to_time": to_time,
                "limit": _CHUNK,
            }
            async with self._database.connection() as connection:
                rows = await _rows(connection, "read_aggregate", arguments)
            if rows:
                yield [recorded(row) for row in rows]
            if len(rows) < _CHUNK:
                return
            after_version = rows[-1][4]

    async def read_log(  # noqa: D102
        self, log_shard: int, after_position: int, *, aggregate_types: Sequence[str] = (), limit: int = _CHUNK
    ) -> tuple[History, int]:
        arguments = {"log_shard": log_shard, "after_position": after_position, "limit": limit}
        async with self._database.connection() as connection:
            rows = await _rows(connection, "read_log", arguments)
        position = rows[-1][0] if rows else after_position
        wanted = [row for row in rows if row[2] in aggregate_types] if aggregate_types else rows
        return [recorded(row) for row in wanted], position

    async def _resolved(self, append: Append) -> Outcome:
        """Appends; when the connection is lost the request's row on a new one tells what became of it."""
        try:
            return await self._append(append)
        except StoreUnavailable as error:
            _log.warning("append interrupted", cause=type(error.__cause__).__name__)
            if append.request is not None:
                arguments = self._recall_arguments(append.aggregate_id, append.request)
                async with asyncio.timeout(_RESOLVE_SECONDS), self._database.connection() as connection:
                    known = await _rows(connection, "recall", arguments)
                if known:
                    return Remembered(*known[0])
            raise

    async def _append(self, append: Append) -> Outcome:
        log_shard = shard_of(append.aggregate_id, self._shard_count)
        async with self._database.connection() as connection, connection.pipeline(), connection.transaction():
            # A statement of its own: as a part of the next one it would not hold that one's snapshot back.
            await connection.execute(statement("event_store", "lock_shard"), {"log_shard": log_shard})
            cursor = await _execute(connection, "append", _append_arguments([append], log_shard))
            row = await cursor.fetchone()
        if row is None:
            raise AssertionError("each command gets a row")
        return _outcome(row)

    def _recall_arguments(self, aggregate_id: UUID, request: RequestKey) -> dict[str, Any]:
        return {
            "log_shard": shard_of(aggregate_id, self._shard_count),
            "principal": request.principal,
            "request_id": request.request_id,
        }


async def _execute(connection: Connection, name: str, arguments: Mapping[str, Any]) -> psycopg.AsyncCursor[TupleRow]:
    return await connection.execute(statement("event_store", name), arguments, prepare=True, binary=True)


async def _rows(connection: Connection, name: str, arguments: Mapping[str, Any]) -> list[TupleRow]:
    cursor = await _execute(connection, name, arguments)
    return await cursor.fetchall()


def _histories(rows: Sequence[TupleRow]) -> dict[UUID, History]:
    return {each: [recorded(row) for row in group] for each, group in groupby(rows, key=lambda row: row[3])}


def _append_arguments(appends: Sequence[Append], log_shard: int) -> dict[str, Any]:
    requests = [append.request for append in appends]
    events = [
        (ordinal, step, event)
        for ordinal, append in enumerate(appends, start=1)
        for step, event in enumerate(append.events, start=1)
    ]
    return {
        "log_shard": log_shard,
        "aggregate_ids": [append.aggregate_id for append in appends],
        "aggregate_types": [append.aggregate_type for append in appends],
        "expected_versions": [append.expected_version for append in appends],
        "metadata": [append.metadata for append in appends],
        "principals": [request and request.principal for request in requests],
        "request_ids": [request and request.request_id for request in requests],
        "digests": [request and request.digest for request in requests],
        "contract_versions": [request and request.contract_version for request in requests],
        "responses": [append.response for append in appends],
        "event_commands": [ordinal for ordinal, _, _ in events],
        "event_steps": [step for _, step, _ in events],
        "event_types": [event.event_type for _, _, event in events],
        "event_data": [event.event_data for _, _, event in events],
    }


def _outcome(row: TupleRow) -> Outcome:
    head_version, expected_version, digest, contract_version, response = row
    if response is not None:
        return Remembered(digest, contract_version, response)
    return Appended() if head_version == expected_version else Conflict(head_version)
