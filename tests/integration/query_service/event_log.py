"""An event log in memory that serves as the command service does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NoReturn

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from service_kit.grpc_layers import Context

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


class EventLogInMemory(event_log_pb2_grpc.EventLogServiceServicer):
    """Serves recorded events, two in a chunk.

    Attributes:
        stalled: set when a reader is kept waiting because `stall` was.
        cancelled: set when such a reader went away.
    """

    def __init__(self) -> None:
        self._events: list[event_log_pb2.RecordedEvent] = []
        self.stall = False
        self.stalled = asyncio.Event()
        self.cancelled = asyncio.Event()

    def record(
        self, order_id: str, event: Message, at: datetime, event_type: str = "", *, aggregate_type: str = "order"
    ) -> None:
        """Appends the next event of an order, or of another aggregate."""
        record_time = Timestamp()
        record_time.FromDatetime(at)
        version = 1 + sum(each.aggregate_id == order_id for each in self._events)
        self._events.append(
            event_log_pb2.RecordedEvent(
                position=len(self._events) + 1,
                aggregate_type=aggregate_type,
                aggregate_id=order_id,
                version=version,
                event_type=event_type or event.DESCRIPTOR.full_name,
                event_data=event.SerializeToString(),
                metadata=event_log_pb2.EventMetadata(
                    traceparent=f"00-{TRACE_ID}-00f067aa0ba902b7-01", principal="anonymous"
                ),
                record_time=record_time,
            )
        )

    def ReadLog(self, request: event_log_pb2.ReadLogRequest, context: Context) -> NoReturn:
        """Nobody here reads it."""
        raise NotImplementedError

    async def ReadAggregate(
        self,
        request: event_log_pb2.ReadAggregateRequest,
        context: Context,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> AsyncIterator[event_log_pb2.ReadAggregateResponse]:
        """As the contract says."""
        found = [each for each in self._events if _is_asked_for(each, request)]
        for begin in range(0, max(1, len(found)), 2):
            yield event_log_pb2.ReadAggregateResponse(events=found[begin : begin + 2])
        if self.stall:
            self.stalled.set()
            try:
                await asyncio.sleep(60)
            finally:
                self.cancelled.set()


@asynccontextmanager
async def serving(log: EventLogInMemory) -> AsyncIterator[str]:
    """Serves the log; gives its address."""
    server = grpc.aio.server()
    event_log_pb2_grpc.add_EventLogServiceServicer_to_server(log, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def _is_asked_for(event: event_log_pb2.RecordedEvent, request: event_log_pb2.ReadAggregateRequest) -> bool:
    return (
        event.aggregate_id == request.aggregate_id
        and event.aggregate_type == request.aggregate_type
        and event.version > request.after_version
        and not (request.HasField("to_version") and event.version > request.to_version)
        and not (request.HasField("to_time") and event.record_time.ToDatetime() > request.to_time.ToDatetime())
    )
