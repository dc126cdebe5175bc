"""A connection that writes a shard of the log; lost, it is opened anew and what was in doubt is settled."""

from collections.abc import Sequence
from typing import Any

import psycopg
import structlog

from command_service.errors import StoreUnavailable
from command_service.event_store.database import Connection, Database, unavailable
from command_service.event_store.port import Append, Appended, Conflict, Outcome, Remembered
from command_service.statements import statement
from service_kit import fail_points

# One plan serves every batch: making it anew for each takes longer than running it. It may have been made while the
# tables were small, and must serve when they are large.
_SESSION = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
_AWAY = (psycopg.OperationalError, psycopg.InternalError)  # the latter says that the server is a replica now
_log = structlog.get_logger("command_service.event_store")


class ShardWriter:
    """Commits batches of appends to one shard, each in one transaction and one round trip."""

    def __init__(self, database: Database, log_shard: int) -> None:
        self._database = database
        self._log_shard = log_shard
        self._connection: Connection | None = None

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome | Exception]:
        """An outcome for each append, in order; an exception for those that could not be stored.

        When the connection is lost, what became of the batch is not known. Appends with a request key are then
        sent once more: the statement finds their row if the first commit took place, and the shard's lock makes
        it wait for one that is still under way. One without a key could take effect twice, so it is not.

        Raises:
            StoreUnavailable: no connection could be had; nothing was stored.
        """
        connection = await self._connected()
        try:
            return await self._store(connection, batch)
        except _AWAY as error:
            _log.warning("commit interrupted", log_shard=self._log_shard, cause=type(error).__name__)
            await self._disconnect()
            return await self._settled(batch)
        except psycopg.Error as error:  # one of them is not storable; the others must not suffer
            if len(batch) == 1:
                return [error]
            return [outcome for append in batch for outcome in await self.commit([append])]

    async def close(self) -> None:
        """Closes the connection."""
        await self._disconnect()

    async def _settled(self, batch: Sequence[Append]) -> Sequence[Outcome | Exception]:
        keyed = [append for append in batch if append.request is not None]
        try:
            settled = iter(await self._store(await self._connected(), keyed) if keyed else ())
        except (*_AWAY, StoreUnavailable):
            await self._disconnect()
            return [unavailable() for _ in batch]
        return [next(settled) if append.request is not None else unavailable() for append in batch]

    async def _store(self, connection: Connection, batch: Sequence[Append]) -> list[Outcome]:
        arguments = _arguments(batch, self._log_shard)
        fail_points.reach("append.unsent")
        # A pipeline is one transaction, committed by the one Sync at its end. `transaction()` inside it would wait for
        # the server after BEGIN and again before COMMIT, with the lock held.
        async with connection.pipeline():
            # A statement of its own: as a part of the next one it would not hold that one's snapshot back.
            await connection.execute(statement("event_store", "lock_shard"), {"log_shard": self._log_shard})
            cursor = await connection.execute(statement("event_store", "append"), arguments, prepare=True, binary=True)
        fail_points.reach("append.committed")
        outcomes: list[Outcome] = [Appended()] * len(batch)
        for ordinal, *found in await cursor.fetchall():
            outcomes[ordinal - 1] = _otherwise(*found)
        return outcomes

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._database.own_connection(_SESSION)
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _arguments(batch: Sequence[Append], log_shard: int) -> dict[str, Any]:
    requests = [append.request for append in batch]
    events = [
        (ordinal, step, event)
        for ordinal, append in enumerate(batch, start=1)
        for step, event in enumerate(append.events, start=1)
    ]
    return {
        "log_shard": log_shard,
        "aggregate_ids": [append.aggregate_id for append in batch],
        "aggregate_types": [append.aggregate_type for append in batch],
        "expected_versions": [append.expected_version for append in batch],
        "metadata": [append.metadata for append in batch],
        "principals": [request and request.principal for request in requests],
        "request_ids": [request and request.request_id for request in requests],
        "digests": [request and request.digest for request in requests],
        "contract_versions": [request and request.contract_version for request in requests],
        "responses": [append.response for append in batch],
        "event_commands": [ordinal for ordinal, _, _ in events],
        "event_steps": [step for _, step, _ in events],
        "event_types": [event.event_type for _, _, event in events],
        "event_data": [event.event_data for _, _, event in events],
    }


def _otherwise(head_version: int, digest: bytes, contract_version: str, response: bytes | None) -> Outcome:
    """What became of a command of which nothing was appended."""
    return Conflict(head_version) if response is None else Remembered(digest, contract_version, response)
