"""What the command side needs of an event store; every adapter passes the same behavior suite."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from orderflow.events.v1 import event_log_pb2

MAX_EVENT_BYTES = 900_000
"""Kafka's default limit of a message is 1,000,000 bytes; the rest is for its headers."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored: its full name and its bytes, which never change after this."""

    event_type: str
    event_data: bytes


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a repeat of a request is known by.

    Args:
        digest: of the parsed request; tells a repeat from another request with the same id.
        contract_version: names the command, and the contract that the digest was made by.
    """

    principal: str
    request_id: str
    digest: bytes
    contract_version: str


@dataclass(frozen=True, slots=True)
class Append:
    """One accepted command: its events, all or none, and the answer that a repeat gets.

    Args:
        expected_version: the version that the events were decided on; 0 for a new aggregate.
        events: may be empty only with a request key, whose answer is then stored alone.
        metadata: serialized EventMetadata, the same for each of the events.
        response: the serialized answer; holds nothing personal.
    """

    aggregate_type: str
    aggregate_id: UUID
    expected_version: int
    events: Sequence[NewEvent]
    metadata: bytes
    request: RequestKey | None
    response: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """The events are in the log, durably."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The aggregate is not at the expected version; nothing was stored."""

    current_version: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """The request id was accepted before; nothing was stored now."""

    digest: bytes
    contract_version: str
    response: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An aggregate's state after the first `version` of its events.

    Args:
        fold: names the code that folded it; no other code can read it.
    """

    fold: str
    version: int
    state: bytes


Outcome: TypeAlias = Appended | Conflict | Remembered
History: TypeAlias = list[event_log_pb2.RecordedEvent]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is known of an aggregate, and of a request, at one moment.

    Args:
        snapshot: the one to start from; None to start from nothing.
        history: the events after it, in order of version.
        remembered: of the request.
    """

    snapshot: Snapshot | None
    history: History
    remembered: Remembered | None


class EventStore(Protocol):
    """The log of events. Every method raises StoreUnavailable while the store is away."""

    async def append(self, append: Append) -> Outcome:
        """Stores a command's events and answer in one transaction.

        A commit that has begun runs to its end, whether or not the caller is cancelled.

        Raises:
            Overloaded: too many appends wait already; nothing was stored.
            ValueError: no events and no request key, or an event over MAX_EVENT_BYTES.
        """

    async def load(self, aggregate_id: UUID, request: RequestKey | None, *, fold: str = "") -> Loaded:
        """An aggregate's events, and what is remembered of a request, in one look.

        Args:
            fold: whose snapshot to start from, if there is one; empty for all events.
        """

    async def keep_snapshot(self, aggregate_id: UUID, snapshot: Snapshot) -> None:
        """Keeps a snapshot instead of an older one, or of one by another fold."""

    async def load_many(self, aggregate_ids: Sequence[UUID]) -> Mapping[UUID, History]:
        """The events of several aggregates; those without any are left out."""

    def read_aggregate(
        self,
        aggregate_id: UUID,
        *,
        after_version: int = 0,
        to_version: int | None = None,
        to_time: datetime | None = None,
    ) -> AsyncIterator[History]:
        """An aggregate's events in chunks, in order of version."""

    async def read_log(
        self, log_shard: int, after_position: int, *, aggregate_types: Sequence[str] = (), limit: int = 1000
    ) -> tuple[History, int]:
        """The next events of a shard in order of position, and the position that was read up to.

        At the end of the log there are no events, or fewer than `limit`.
        """
