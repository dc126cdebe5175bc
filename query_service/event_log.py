"""The event log, as the query service reads it from the command service."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import grpc

from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from query_service.deadline import Deadline
from query_service.errors import EventLogUnavailable

_LONGEST_SECONDS = 1800.0
"""For callers without a deadline: as long as a connection to a server lives."""
_LONGEST_SILENCE_SECONDS = 10.0
"""Between two chunks."""
AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}


class EventLog:
    """Reads the events of single orders."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: event_log_pb2_grpc.EventLogServiceAsyncStub = event_log_pb2_grpc.EventLogServiceStub(channel)

    async def chunks(
        self, request: event_log_pb2.ReadAggregateRequest, deadline: Deadline
    ) -> AsyncGenerator[Sequence[event_log_pb2.RecordedEvent], None]:
        """The events asked for, in order of version, in chunks as they arrive.

        Raises:
            EventLogUnavailable: the command service is away or too slow.
        """
        call = self._stub.ReadAggregate(request, timeout=deadline.within(_LONGEST_SECONDS))
        responses = aiter(call)
        try:
            while True:
                async with asyncio.timeout(deadline.within(_LONGEST_SILENCE_SECONDS)):
                    response = await anext(responses, None)
                if response is None:
                    return
                yield response.events
        except TimeoutError as error:
            raise EventLogUnavailable("the event log did not answer in time") from error
        except grpc.aio.AioRpcError as error:
            if error.code() in AWAY:
                raise EventLogUnavailable(f"the event log did not answer ({error.code().name})") from error
            raise
        finally:
            call.cancel()
