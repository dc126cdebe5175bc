"""The whole event log, shard by shard, for who folds it anew."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc

from orderflow.admin.v1 import relay_admin_service_pb2, relay_admin_service_pb2_grpc
from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from projector.errors import EventLogAway

Heads = Mapping[int, int]
"""The position of each shard's last event."""


@dataclass(frozen=True, slots=True)
class LogEnds:
    """Where the log ends.

    Args:
        heads: by shard.
        published: up to where everything is in Kafka, by shard.
    """

    heads: Heads
    published: Mapping[int, int]


class LogReader:
    """Opens the log.

    Args:
        channel: to the command service.
        timeout_seconds: of a call, or of a stream's next chunk.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        self._log = event_log_pb2_grpc.EventLogServiceStub(channel)
        self._relay = relay_admin_service_pb2_grpc.RelayAdminServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def heads(self) -> Heads:
        """Where the log ends now.

        Raises:
            EventLogAway: the service does not answer.
        """
        return (await self.ends()).heads

    async def ends(self) -> LogEnds:
        """Where the log ends, and how far it has been published, now.

        Raises:
            EventLogAway: the service does not answer.
        """
        request = relay_admin_service_pb2.GetRelayStatusRequest()
        try:
            status = await self._relay.GetRelayStatus(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise EventLogAway(f"RelayAdminService answers {error.code().name}") from error
        return LogEnds(
            {each.log_shard: each.head_position for each in status.shards},
            {each.log_shard: each.cursor_position for each in status.shards},
        )

    def shard(self, shard: int, head: int, aggregate_type: str, *, after: int = 0) -> "ShardReader":
        """A shard's events of a type of aggregate, from behind one position to another at least."""
        return ShardReader(self._log, shard, head, aggregate_type, timeout_seconds=self._timeout_seconds, after=after)


class ShardReader:
    """Reads a shard chunk by chunk; a broken stream is continued by the next call."""

    def __init__(
        self,
        log: "event_log_pb2_grpc.EventLogServiceAsyncStub",
        shard: int,
        head: int,
        aggregate_type: str,
        *,
        timeout_seconds: float,
        after: int,
    ) -> None:
        self.position = after
        self._log = log
        self._shard = shard
        self._head = head
        self._aggregate_type = aggregate_type
        self._timeout_seconds = timeout_seconds
        self._call: grpc.aio.UnaryStreamCall[event_log_pb2.ReadLogRequest, event_log_pb2.ReadLogResponse] | None = None

    async def next(self) -> Sequence[event_log_pb2.RecordedEvent] | None:
        """The next events, which may be none; None behind the last.

        Raises:
            EventLogAway: the service does not answer.
        """
        if self.position >= self._head:
            self.close()
            return None
        if self._call is None:
            request = event_log_pb2.ReadLogRequest(
                log_shard=self._shard, after_position=self.position, aggregate_types=[self._aggregate_type]
            )
            self._call = self._log.ReadLog(request)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                chunk = await self._call.read()
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            self.close()
            raise EventLogAway(f"the log's shard {self._shard} cannot be read: {type(error).__name__}") from error
        if not isinstance(chunk, event_log_pb2.ReadLogResponse):
            self.close()
            raise EventLogAway(f"the log's shard {self._shard} ends before {self._head}")
        self.position = chunk.position
        return list(chunk.events)  # the container would make each event's object anew for every loop

    def close(self) -> None:
        """Ends the stream."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
