"""The keys of customers: made on first use, kept wrapped in the database, destroyed for ever when they are erased.

Who was erased is what the event log says. Every look at a key looks there too, so that a key counts as destroyed from
the moment of the erasure, even where the process that erased died before it came to the key; `settle` finds such keys.
No key is made for who was erased: making one looks at the log, and where the erasure comes between that look and the
key, `destroy` finds either the key, or leaves a mark that is found in its place.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from cachetools import LRUCache
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import TupleRow

from command_service.errors import StoreUnavailable
from command_service.event_store.database import Connection, Database
from command_service.personal_data.master_keys import MasterKeys
from command_service.personal_data.sealing import Binding, NotSealedSo, new_key, open_, seal
from command_service.statements import statement
from service_kit.gathering import Gathering

_MOST_AT_ONCE = 500
_SETTLED_AT_ONCE = 500
_SETTLE_SECONDS = 30.0
_log = structlog.get_logger("command_service.personal_data")


@dataclass(frozen=True, slots=True)
class Key:
    """A customer's key."""

    id: UUID
    customer_id: UUID
    cipher: AESGCM

    def seal(self, data: bytes, aggregate_id: UUID, event_type: str) -> bytes:
        """The data, sealed for an event."""
        return seal(self.cipher, data, Binding(self.id, aggregate_id, event_type).to_bytes())

    def open(self, sealed: bytes, aggregate_id: UUID, event_type: str) -> bytes:
        """What was sealed for an event.

        Raises:
            NotSealedSo: it was not sealed with this key for this event.
        """
        return open_(self.cipher, sealed, Binding(self.id, aggregate_id, event_type).to_bytes())


class Destroyed:
    """Stands for the key of a customer who was erased."""


DESTROYED = Destroyed()


def opened(key: Key | None, sealed: bytes, aggregate_id: UUID, event_type: str) -> bytes:
    """What was sealed for an event.

    Raises:
        NotSealedSo: the key was never made, or it was not sealed with it for this event.
    """
    if key is None:
        raise NotSealedSo("the key that it names was never made")
    return key.open(sealed, aggregate_id, event_type)


class Keys:
    """Finds keys, many at once; its methods raise StoreUnavailable while the database is away.

    Args:
        cached: how many are kept at hand.
        seconds: for which one is kept at hand; so much later this process knows of one that another has destroyed.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        database: Database,
        master_keys: MasterKeys,
        *,
        cached: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._master_keys = master_keys
        self._seconds = seconds
        self._clock = clock
        self._of_customers: LRUCache[UUID, tuple[Key | Destroyed, float]] = LRUCache(cached)
        self._by_id: LRUCache[UUID, tuple[Key | Destroyed, float]] = LRUCache(cached)
        self._making = Gathering(self._find_or_make, most_keys=_MOST_AT_ONCE)

    async def of_customer(self, customer_id: UUID) -> Key | Destroyed:
        """A customer's key, made where there is none; those who need one meanwhile share a commit."""
        kept = self._kept(self._of_customers, customer_id)
        return kept if kept is not None else await self._making.get(str(customer_id))

    async def is_destroyed(self, customer_id: UUID) -> bool:
        """Whether a customer's key is; makes none."""
        kept = self._kept(self._of_customers, customer_id)
        if kept is None:
            kept = (await self._find("find_of_customers", [customer_id])).get(customer_id)
        return kept is DESTROYED

    async def by_id(self, key_ids: Sequence[UUID]) -> Mapping[UUID, Key | Destroyed]:
        """Those of the keys that were ever made."""
        found = {each: kept for each in key_ids if (kept := self._kept(self._by_id, each)) is not None}
        missing = [each for each in dict.fromkeys(key_ids) if each not in found]
        for start in range(0, len(missing), _MOST_AT_ONCE):
            found.update(await self._find("find", missing[start : start + _MOST_AT_ONCE]))
        return found

    async def destroy(self, customer_ids: Sequence[UUID]) -> None:
        """Destroys the keys of those of the customers whom the log says to be erased, for ever."""
        async with self._database.connection() as connection:
            await connection.execute(statement("personal_data", "destroy"), {"customer_ids": list(customer_ids)})
        for each in customer_ids:
            kept = self._of_customers.pop(each, None)
            if kept is not None and isinstance(kept[0], Key):
                self._by_id.pop(kept[0].id, None)

    async def settle(self) -> int:
        """Destroys keys that who erased their customers could not destroy any more; answers how many."""
        settled = 0
        while True:
            async with self._database.connection() as connection:
                rows = await _rows(connection, "unsettled", {"limit": _SETTLED_AT_ONCE})
            if not rows:
                return settled
            await self.destroy([row[0] for row in rows])
            settled += len(rows)

    async def keep_settling(self, stop: asyncio.Event) -> None:
        """Settles at once, and then now and again until `stop` is set; any number may."""
        while not stop.is_set():
            try:
                if settled := await self.settle():
                    _log.warning("keys of erased customers destroyed after another process", count=settled)
            except (StoreUnavailable, psycopg.Error) as error:
                _log.warning("keys of erased customers are not settled yet", cause=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SETTLE_SECONDS)

    async def _find_or_make(self, asked: Sequence[str]) -> Sequence[Key | Destroyed]:
        customer_ids = [UUID(each) for each in asked]
        found = await self._find("find_of_customers", customer_ids)
        if missing := [each for each in customer_ids if each not in found]:
            await self._make(missing)
            found.update(await self._find("find_of_customers", missing))
        # Who has no key even now was erased before: that makes no key, and its mark may be yet to come.
        return [found.get(each, DESTROYED) for each in customer_ids]

    async def _make(self, customer_ids: Sequence[UUID]) -> None:
        key_ids = [uuid.uuid4() for _ in customer_ids]
        wrapped = [
            self._master_keys.wrap(new_key(), key_id, customer_id)
            for key_id, customer_id in zip(key_ids, customer_ids, strict=True)
        ]
        arguments = {
            "key_ids": key_ids,
            "customer_ids": list(customer_ids),
            "wrapped_keys": wrapped,
            "master_key_id": self._master_keys.id,
        }
        async with self._database.connection() as connection:
            await connection.execute(statement("personal_data", "make"), arguments)

    async def _find(self, name: str, ids: Sequence[UUID]) -> dict[UUID, Key | Destroyed]:
        """Keys by what they are asked by; remembers them."""
        until = self._clock() + self._seconds  # from before the look
        async with self._database.connection() as connection:
            rows = await _rows(connection, name, {"ids": list(ids)})
        found: dict[UUID, Key | Destroyed] = {}
        for key_id, customer_id, wrapped, master_key_id, is_destroyed in rows:
            key = DESTROYED if is_destroyed else self._unwrapped(key_id, customer_id, wrapped, master_key_id)
            self._of_customers[customer_id] = self._by_id[key_id] = key, until
            found[key_id if name == "find" else customer_id] = key
        return found

    def _unwrapped(self, key_id: UUID, customer_id: UUID, wrapped: bytes, master_key_id: str) -> Key:
        key = self._master_keys.unwrap(wrapped, key_id, customer_id, master_key_id)
        return Key(key_id, customer_id, AESGCM(key))

    def _kept(self, cache: "LRUCache[UUID, tuple[Key | Destroyed, float]]", id_: UUID) -> Key | Destroyed | None:
        """What is at hand, if it may still be relied on; of a destroyed one for ever."""
        kept, until = cache.get(id_, (None, 0.0))
        return kept if kept is DESTROYED or until > self._clock() else None


async def _rows(connection: Connection, name: str, arguments: Mapping[str, Any]) -> list[TupleRow]:
    cursor = await connection.execute(statement("personal_data", name), arguments, binary=True)
    return await cursor.fetchall()
