"""An event store that seals personal data on its way in, and opens on the way out what a state is made of."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from google.protobuf.message import Message

from command_service.errors import CustomerNotFound
from command_service.event_store.port import (
    Append,
    Conflict,
    EventStore,
    History,
    Loaded,
    NewEvent,
    Outcome,
    RequestKey,
    Snapshot,
)
from command_service.personal_data import personal_events
from command_service.personal_data.keys import Destroyed, Key, Keys, opened
from command_service.personal_data.sealing import NotSealedSo
from event_schemas.aggregates import CUSTOMER
from orderflow.events.v1 import event_log_pb2
from service_kit import fail_points

_log = structlog.get_logger("command_service.personal_data")


class SealedEventStore:
    """Seals with keys what another event store stores; see the port for what each method promises.

    Only customers' events are opened: no other state is made of personal data, so that nothing else needs a key to be
    loaded. Of who was erased it stays sealed. `read_aggregate` and `read_log` answer what is stored.

    Where an append says that a customer was erased, the key is destroyed before it returns.
    """

    def __init__(self, store: EventStore, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def append(self, append: Append) -> Outcome:
        """See the port.

        Raises:
            CustomerNotFound: an event would hold personal data of a customer who was erased; nothing was stored.
        """
        if any(event.event_type == personal_events.CUSTOMER_ERASED for event in append.events):
            # Whoever asked may give up waiting; the key is destroyed all the same.
            return await asyncio.shield(asyncio.ensure_future(self._erase(append)))
        sealed = [await self._sealed(append.aggregate_id, event) for event in append.events]
        events = [each for each in sealed if each is not None]
        if len(events) < len(sealed):
            return await self._settled_otherwise(append)
        return await self._store.append(replace(append, events=events))

    async def check(self, events: Sequence[Message]) -> None:
        """Returns if events like these can be appended, as far as their personal data decides that.

        Raises:
            CustomerNotFound: as `append` does.
        """
        for each in events:
            if each.DESCRIPTOR.full_name in personal_events.types():
                customer_id = personal_events.customer_of(each)
                if await self._keys.is_destroyed(customer_id):
                    raise _erased(customer_id)

    async def load(self, aggregate_id: UUID, request: RequestKey | None, *, fold: str = "") -> Loaded:  # noqa: D102
        loaded = await self._store.load(aggregate_id, request, fold=fold)
        [history] = await self._opened([loaded.history], strict=True)
        return replace(loaded, history=history)

    async def keep_snapshot(self, aggregate_id: UUID, snapshot: Snapshot) -> None:  # noqa: D102
        await self._store.keep_snapshot(aggregate_id, snapshot)

    async def load_many(self, aggregate_ids: Sequence[UUID]) -> Mapping[UUID, History]:  # noqa: D102
        found = await self._store.load_many(aggregate_ids)
        return dict(zip(found, await self._opened(list(found.values()), strict=False), strict=True))

    def read_aggregate(  # noqa: D102
        self,
        aggregate_id: UUID,
        *,
        after_version: int = 0,
        to_version: int | None = None,
        to_time: datetime | None = None,
    ) -> AsyncIterator[History]:
        return self._store.read_aggregate(
            aggregate_id, after_version=after_version, to_version=to_version, to_time=to_time
        )

    async def read_log(  # noqa: D102
        self, log_shard: int, after_position: int, *, aggregate_types: Sequence[str] = (), limit: int = 1000
    ) -> tuple[History, int]:
        return await self._store.read_log(log_shard, after_position, aggregate_types=aggregate_types, limit=limit)

    async def _erase(self, append: Append) -> Outcome:
        outcome = await self._store.append(append)
        fail_points.reach("erasure.appended")
        await self._keys.destroy([append.aggregate_id])  # if the log says so, whatever became of this append
        return outcome

    async def _sealed(self, aggregate_id: UUID, event: NewEvent) -> NewEvent | None:
        """The event as it is to be stored; None where its customer was erased."""
        personal = personal_events.parsed(event.event_type, event.event_data)
        if personal is None or personal_events.is_sealed(personal):
            return event
        key = await self._keys.of_customer(personal_events.customer_of(personal))
        if isinstance(key, Destroyed):
            return None
        plain = personal.personal_data.SerializeToString(deterministic=True)
        sealed = key.seal(plain, aggregate_id, event.event_type)
        return NewEvent(event.event_type, personal_events.sealed(personal, key.id, sealed))

    async def _settled_otherwise(self, append: Append) -> Outcome:
        """What becomes of an append that cannot be sealed any more: a repeat gets the answer of before."""
        loaded = await self._store.load(append.aggregate_id, append.request)
        if loaded.remembered is not None:
            return loaded.remembered
        if len(loaded.history) != append.expected_version:
            return Conflict(len(loaded.history))
        events = (personal_events.parsed(each.event_type, each.event_data) for each in append.events)
        raise _erased(next(personal_events.customer_of(each) for each in events if each is not None))

    async def _opened(self, histories: Sequence[History], *, strict: bool) -> list[History]:
        """Histories with the personal data of customers who were not erased in plain; the given ones stay.

        Args:
            strict: what does not open raises; otherwise it stays sealed, so that one customer does not keep others
                from being read.
        """
        wanted = {index: _sealed_events(history) for index, history in enumerate(histories)}
        key_ids = {UUID(each.personal_data.key_id) for events in wanted.values() for each in events.values()}
        keys = await self._keys.by_id(list(key_ids)) if key_ids else {}
        after = list(histories)
        for index, events in wanted.items():
            if events:
                after[index] = [
                    _opened(recorded, events[recorded.version], keys, strict=strict)
                    if recorded.version in events
                    else recorded
                    for recorded in histories[index]
                ]
        return after


def _sealed_events(history: History) -> Mapping[int, Any]:
    """Those of a customer's events whose personal data is sealed and to be opened, by version."""
    if not history or history[0].aggregate_type != CUSTOMER.type:
        return {}
    if any(each.event_type == personal_events.CUSTOMER_ERASED for each in history):
        return {}
    events = {each.version: personal_events.parsed(each.event_type, each.event_data) for each in history}
    return {version: each for version, each in events.items() if each is not None and personal_events.is_sealed(each)}


def _opened(
    recorded: event_log_pb2.RecordedEvent, event: Any, keys: Mapping[UUID, Key | Destroyed], *, strict: bool
) -> event_log_pb2.RecordedEvent:
    key = keys.get(UUID(event.personal_data.key_id))
    if isinstance(key, Destroyed):
        return recorded
    try:
        plain = opened(key, event.personal_data.sealed, UUID(recorded.aggregate_id), recorded.event_type)
    except NotSealedSo as cause:
        _log.error(
            "personal data cannot be opened",
            aggregate_id=recorded.aggregate_id,
            version=recorded.version,
            cause=str(cause),
        )
        if strict:
            raise
        return recorded
    after = event_log_pb2.RecordedEvent()
    after.CopyFrom(recorded)
    after.event_data = personal_events.opened(event, plain)
    return after


def _erased(customer_id: UUID) -> CustomerNotFound:
    return CustomerNotFound(f"customer {customer_id} was erased")
