"""EventLogService over gRPC: the events as they are stored, in chunks."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC
from uuid import UUID

from command_service.event_store.port import EventStore, History
from orderflow.events.v1 import event_log_pb2 as pb
from orderflow.events.v1 import event_log_pb2_grpc as grpc_api
from service_kit.errors import InvalidArgument
from service_kit.grpc_layers import Context

_CHUNK = 500
_PART_BYTES = 2_000_000  # clients by default take messages of 4 MiB
_POLL_SECONDS = 0.1
_HEARTBEAT_SECONDS = 5.0


class EventLogServicer(grpc_api.EventLogServiceServicer):
    """Reads the log straight from the store; the client's pace is the reader's."""

    def __init__(self, store: EventStore, shard_count: int) -> None:
        self._store = store
        self._shard_count = shard_count

    async def ReadLog(self, request: pb.ReadLogRequest, context: Context) -> AsyncIterator[pb.ReadLogResponse]:
        """Reads a shard of the log from a position on."""
        if request.log_shard >= self._shard_count:
            raise InvalidArgument.of("log_shard", f"the log has {self._shard_count} shard(s), counted from 0")
        position, told, end_told = request.after_position, 0.0, False
        while True:
            events, read_to = await self._store.read_log(
                request.log_shard, position, aggregate_types=request.aggregate_types, limit=_CHUNK
            )
            caught_up, position = read_to == position, read_to
            heartbeat_due = time.monotonic() - told >= _HEARTBEAT_SECONDS
            if events or heartbeat_due or (caught_up and not end_told):
                *parts, last = _parts(events) or [[]]
                for part in parts:
                    yield pb.ReadLogResponse(events=part, position=part[-1].position)
                yield pb.ReadLogResponse(events=last, position=position, caught_up=caught_up)
                told, end_told = time.monotonic(), caught_up
            if caught_up and not request.follow:
                return
            if caught_up:
                await asyncio.sleep(_POLL_SECONDS)

    async def ReadAggregate(
        self, request: pb.ReadAggregateRequest, context: Context
    ) -> AsyncIterator[pb.ReadAggregateResponse]:
        """Reads one aggregate's events."""
        bound = request.WhichOneof("bound")
        chunks = self._store.read_aggregate(
            UUID(request.aggregate_id),
            after_version=request.after_version,
            to_version=request.to_version if bound == "to_version" else None,
            to_time=request.to_time.ToDatetime(tzinfo=UTC) if bound == "to_time" else None,
        )
        empty = True
        async for chunk in chunks:
            if chunk[0].aggregate_type != request.aggregate_type:
                break  # the id is that of another kind of aggregate
            empty = False
            for part in _parts(chunk):
                yield pb.ReadAggregateResponse(events=part)
        if empty:
            yield pb.ReadAggregateResponse()


def _parts(events: History) -> list[History]:
    """The events in parts that fit into a message; one event always does."""
    parts: list[History] = []
    size = _PART_BYTES
    for event in events:
        if size + event.ByteSize() > _PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += event.ByteSize()
    return parts
