"""Appends with defaults, for tests of event stores."""

import itertools
import uuid
from collections.abc import Sequence
from typing import Any

from command_service.event_store.port import Append, NewEvent, RequestKey
from orderflow.events.v1.event_log_pb2 import EventMetadata, RecordedEvent

_numbers = itertools.count(1)


def key(request_id: str, *, digest: bytes = b"digest", principal: str = "anonymous") -> RequestKey:
    """What a repeat is known by."""
    return RequestKey(principal, request_id, digest, "contract")


def new_events(count: int = 1) -> list[NewEvent]:
    """Events that differ from all others."""
    return [NewEvent("orderflow.orders.v1.ItemAdded", f"event {next(_numbers)}".encode()) for _ in range(count)]


def append_of(
    aggregate_id: uuid.UUID,
    expected_version: int = 0,
    *,
    events: Sequence[NewEvent] | int = 1,
    request: RequestKey | str | None = None,
    **changes: Any,
) -> Append:
    """An append of one event unless told otherwise."""
    made = new_events(events) if isinstance(events, int) else events
    metadata = EventMetadata(principal="anonymous", command_type="Command").SerializeToString()
    request_key = key(request) if isinstance(request, str) else request
    fields = {"aggregate_type": "order", "metadata": metadata, "response": b"answer", **changes}
    return Append(
        aggregate_id=aggregate_id, expected_version=expected_version, events=made, request=request_key, **fields
    )


def data(history: Sequence[RecordedEvent]) -> list[bytes]:
    """The events' bytes."""
    return [each.event_data for each in history]


def versions(history: Sequence[RecordedEvent]) -> list[int]:
    """The events' versions."""
    return [each.version for each in history]
