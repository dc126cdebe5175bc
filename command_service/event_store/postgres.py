"""The event store on PostgreSQL: appends serialized per shard, so that one number resumes every reader."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Self
from uuid import UUID

import psycopg
from opentelemetry import metrics
from psycopg.rows import TupleRow

from command_service.event_store.batcher import Batcher
from command_service.event_store.database import Connection, Database
from command_service.event_store.metrics import AppendMetrics
from command_service.event_store.port import (
    MAX_EVENT_BYTES,
    Append,
    History,
    Loaded,
    Outcome,
    Remembered,
    RequestKey,
    Snapshot,
)
from command_service.event_store.rows import recorded
from command_service.event_store.sharding import shard_of
from command_service.event_store.writer import ShardWriter
from command_service.statements import statement

_CHUNK = 1000
_LANES = 2  # one in the database while the other is made ready


class PostgresEventStore:
    """The event store of a database; see the port for what each method promises.

    Args:
        max_waiting: appends that may wait for each shard's next batch; more are refused as Overloaded.
    """

    def __init__(self, database: Database, shard_count: int, *, max_waiting: int) -> None:
        self._database = database
        self._shard_count = shard_count
        self._writers = [[ShardWriter(database, shard) for _ in range(_LANES)] for shard in range(shard_count)]
        measured = AppendMetrics(metrics.get_meter("command_service"), self._waiting)
        self._batchers = [
            Batcher(
                [writer.commit for writer in lanes], max_waiting=max_waiting, on_stored=partial(measured.record, shard)
            )
            for shard, lanes in enumerate(self._writers)
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for batcher, lanes in zip(self._batchers, self._writers, strict=True):
            await batcher.drain()
            for writer in lanes:
                await writer.close()

    async def append(self, append: Append) -> Outcome:  # noqa: D102
        if not append.events and append.request is None:
            raise ValueError("nothing to store")
        if any(len(event.event_data) > MAX_EVENT_BYTES for event in append.events):
            raise ValueError(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return await self._batchers[shard_of(append.aggregate_id, self._shard_count)].append(append)

    async def load(self, aggregate_id: UUID, request: RequestKey | None, *, fold: str = "") -> Loaded:  # noqa: D102
        name, arguments = _load_statement(aggregate_id, fold)
        async with self._database.connection() as connection:
            if request is None:
                return _loaded(await _rows(connection, name, arguments), fold, None)
            async with connection.pipeline():
                # In this order: who sees a command's events must see its answer too.
                events = await _execute(connection, name, arguments)
                answer = await _execute(connection, "recall", self._recall_arguments(aggregate_id, request))
                rows, known = await events.fetchall(), await answer.fetchall()
        return _loaded(rows, fold, Remembered(*known[0]) if known else None)

    async def keep_snapshot(self, aggregate_id: UUID, snapshot: Snapshot) -> None:  # noqa: D102
        arguments = {"aggregate_id": aggregate_id, **asdict(snapshot)}
        async with self._database.connection() as connection:
            await _execute(connection, "keep_snapshot", arguments)

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

    def _waiting(self) -> Mapping[int, int]:
        return {shard: batcher.waiting for shard, batcher in enumerate(self._batchers)}

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


def _load_statement(aggregate_id: UUID, fold: str) -> tuple[str, Mapping[str, Any]]:
    if not fold:
        return "load", {"aggregate_ids": [aggregate_id]}
    return "load_after_snapshot", {"aggregate_id": aggregate_id, "fold": fold}


def _loaded(rows: Sequence[TupleRow], fold: str, remembered: Remembered | None) -> Loaded:
    """What rows say of which the first may be a snapshot: it has no position."""
    snapshot = None
    if rows and rows[0][0] is None:
        snapshot, rows = Snapshot(fold, version=rows[0][4], state=rows[0][6]), rows[1:]
    return Loaded(snapshot, [recorded(row) for row in rows], remembered)


def _histories(rows: Sequence[TupleRow]) -> dict[UUID, History]:
    return {each: [recorded(row) for row in group] for each, group in groupby(rows, key=lambda row: row[3])}
