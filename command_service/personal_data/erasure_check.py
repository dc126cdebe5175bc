"""Looks what the command side holds of a customer who was, or was to be, erased."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from command_service.event_store.database import Database
from command_service.event_store.port import EventStore
from command_service.personal_data import personal_events
from command_service.statements import statement
from event_schemas.aggregates import CUSTOMER
from orderflow.admin.v1 import erasure_pb2 as pb

_AT_ONCE = 20_000
_STORE = "postgresql"


class ErasureCheck:
    """Looks; its method raises StoreUnavailable while the database is away."""

    def __init__(self, database: Database, store: EventStore, shard_count: int) -> None:
        self._database = database
        self._store = store
        self._shard_count = shard_count

    async def of(self, customer_id: UUID) -> Sequence[pb.ErasureFinding]:
        """A finding for each place."""
        return [
            await self._key(customer_id),
            await self._events(customer_id),
            await self._snapshots(customer_id),
            _finding("idempotency", 0, 0, "answers hold ids only, requests as digests with a key that is not there"),
        ]

    async def _key(self, customer_id: UUID) -> pb.ErasureFinding:
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                statement("personal_data", "key_of_customer"), {"customer_id": customer_id}
            )
            row = await cursor.fetchone()
        is_kept, is_destroyed = row or (False, False)
        histories = await self._store.load_many([customer_id])
        is_erased = any(
            each.aggregate_type == CUSTOMER.type and each.event_type == personal_events.CUSTOMER_ERASED
            for each in histories.get(customer_id, [])
        )
        key = "destroyed" if is_destroyed else "there" if is_kept else "never made"
        detail = f"the customer is {'' if is_erased else 'not '}erased, the key is {key}"
        return _finding("personal_data_key", int(row is not None), int(is_kept or not is_erased), detail)

    async def _events(self, customer_id: UUID) -> pb.ErasureFinding:
        found: Counter[str] = Counter()
        for log_shard in range(self._shard_count):
            found += await self._events_in(log_shard, customer_id)
        detail = f"{found['sealed']} sealed, {found['plain']} in plain"
        return _finding("event_store", found.total(), found["plain"], detail)

    async def _events_in(self, log_shard: int, customer_id: UUID) -> Counter[str]:
        found: Counter[str] = Counter()
        position: int | None = 0
        while position is not None:
            arguments = {
                "log_shard": log_shard,
                "after_position": position,
                "limit": _AT_ONCE,
                "event_types": list(personal_events.types()),
                "name": str(customer_id).encode(),
            }
            async with self._database.connection() as connection:
                cursor = await connection.execute(
                    statement("personal_data", "events_that_name"), arguments, binary=True
                )
                rows = await cursor.fetchall()
            position = next(row[0] for row in rows if row[1] is None)
            for event_type, data in (row[1:] for row in rows if row[1] is not None):
                event = personal_events.parsed(event_type, data)
                if event is not None and personal_events.customer_of(event) == customer_id:
                    found["sealed" if personal_events.is_sealed(event) else "plain"] += 1
        return found

    async def _snapshots(self, customer_id: UUID) -> pb.ErasureFinding:
        async with self._database.connection() as connection:
            cursor = await connection.execute("SELECT count(*) FROM snapshot WHERE aggregate_id = %s", [customer_id])
            row = await cursor.fetchone()
        count = int(row[0]) if row else 0
        return _finding("snapshot", count, count, "customers have none, and orders' hold no personal data")


def _finding(place: str, examined: int, remaining: int, detail: str) -> pb.ErasureFinding:
    return pb.ErasureFinding(
        store=_STORE, place=place, examined_count=examined, remaining_count=remaining, detail=detail
    )
