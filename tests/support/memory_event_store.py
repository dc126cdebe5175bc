"""An event store in memory for fast tests; held to the same behavior suite as the one on PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from command_service.event_store.port import (
    MAX_EVENT_BYTES,
    Append,
    Appended,
    Conflict,
    History,
    Loaded,
    Outcome,
    Remembered,
    RequestKey,
    Snapshot,
)
from command_service.event_store.sharding import shard_of
from orderflow.events.v1 import event_log_pb2


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Key:
    log_shard: int
    principal: str
    request_id: str


class MemoryEventStore:
    """Keeps the log in a list; every method runs without a pause, so that appends are serialized."""

    def __init__(self, shard_count: int = 1, *, clock: Callable[[], datetime] = _now, chunk: int = 1000) -> None:
        self.log: list[event_log_pb2.RecordedEvent] = []
        self.snapshots: dict[UUID, Snapshot] = {}
        self._answers: dict[_Key, Remembered] = {}
        self._shard_count = shard_count
        self._clock = clock
        self._chunk = chunk

    async def append(self, append: Append) -> Outcome:
        """Stores a command's events and answer."""
        if not append.events and append.request is None:
            raise ValueError("nothing to store")
        if any(len(event.event_data) > MAX_EVENT_BYTES for event in append.events):
            raise ValueError(f"an event has more than {MAX_EVENT_BYTES} bytes")
        remembered = self._remembered(append.aggregate_id, append.request)
        if remembered is not None:
            return remembered
        history = self._history(append.aggregate_id)
        if len(history) != append.expected_version:
            return Conflict(len(history))
        recorded = max([self._clock(), *(each.record_time.ToDatetime(tzinfo=UTC) for each in history)])
        for version, event in enumerate(append.events, start=append.expected_version + 1):
            stored = event_log_pb2.RecordedEvent(
                position=len(self.log) + 1,
                log_shard=shard_of(append.aggregate_id, self._shard_count),
                aggregate_type=append.aggregate_type,
                aggregate_id=str(append.aggregate_id),
                version=version,
                event_type=event.event_type,
                event_data=event.event_data,
                metadata=event_log_pb2.EventMetadata.FromString(append.metadata),
            )
            stored.record_time.FromDatetime(recorded)
            self.log.append(stored)
        if append.request is not None:
            known = Remembered(append.request.digest, append.request.contract_version, append.response)
            self._answers[self._key(append.aggregate_id, append.request)] = known
        return Appended()

    async def load(self, aggregate_id: UUID, request: RequestKey | None, *, fold: str = "") -> Loaded:
        """An aggregate's events and what is remembered of a request."""
        kept = self.snapshots.get(aggregate_id)
        snapshot = kept if kept is not None and kept.fold == fold else None
        history = self._history(aggregate_id)[snapshot.version if snapshot else 0 :]
        return Loaded(snapshot, history, self._remembered(aggregate_id, request))

    async def keep_snapshot(self, aggregate_id: UUID, snapshot: Snapshot) -> None:
        """Keeps a snapshot."""
        kept = self.snapshots.get(aggregate_id)
        if kept is None or kept.fold != snapshot.fold or kept.version < snapshot.version:
            self.snapshots[aggregate_id] = snapshot

    async def load_many(self, aggregate_ids: Sequence[UUID]) -> Mapping[UUID, History]:
        """The events of several aggregates."""
        return {each: history for each in aggregate_ids if (history := self._history(each))}

    async def read_aggregate(
        self,
        aggregate_id: UUID,
        *,
        after_version: int = 0,
        to_version: int | None = None,
        to_time: datetime | None = None,
    ) -> AsyncIterator[History]:
        """An aggregate's events in chunks."""
        wanted = [
            each
            for each in self._history(aggregate_id)
            if each.version > after_version
            and (to_version is None or each.version <= to_version)
            and (to_time is None or each.record_time.ToDatetime(tzinfo=UTC) <= to_time)
        ]
        for start in range(0, len(wanted), self._chunk):
            yield wanted[start : start + self._chunk]

    async def read_log(
        self, log_shard: int, after_position: int, *, aggregate_types: Sequence[str] = (), limit: int = 1000
    ) -> tuple[History, int]:
        """The next events of a shard, and the position read up to."""
        read = [each for each in self.log if each.log_shard == log_shard and each.position > after_position][:limit]
        wanted = [each for each in read if not aggregate_types or each.aggregate_type in aggregate_types]
        return wanted, read[-1].position if read else after_position

    def _history(self, aggregate_id: UUID) -> History:
        return [each for each in self.log if each.aggregate_id == str(aggregate_id)]

    def _remembered(self, aggregate_id: UUID, request: RequestKey | None) -> Remembered | None:
        return None if request is None else self._answers.get(self._key(aggregate_id, request))

    def _key(self, aggregate_id: UUID, request: RequestKey) -> _Key:
        return _Key(shard_of(aggregate_id, self._shard_count), request.principal, request.request_id)
