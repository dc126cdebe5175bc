"""An aggregate's events from the log itself, for what Kafka did not bring."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.trace import SpanContext

from event_schemas.aggregates import Aggregate
from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from projector.errors import EventLogAway, EventsMissing
from projector.events import AnyEvent, Events, Subject, event_of
from service_kit.telemetry import span_context_of


@dataclass(frozen=True, slots=True)
class History:
    """What happened to an aggregate since some version.

    Args:
        events: one for each version, in order; where the log lacks a version, that is the last one.
        origins: the spans of the commands that brought them, where they were traced.
    """

    events: Events
    origins: Sequence[SpanContext]


class EventLog:
    """Reads ranges of aggregates' events from EventLogService.

    What the log does not have, and what cannot be read, is an unreadable event.

    Args:
        channel: to the command service.
        timeout_seconds: of a call, its retries included.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        self._service = event_log_pb2_grpc.EventLogServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def history(
        self, aggregate: Aggregate[Any], id_: str, after: int, to: int = 0, skips: Collection[int] = ()
    ) -> History:
        """What happened to an aggregate after version `after`, up to version `to` or, without, to its head.

        Args:
            skips: versions that are not even looked at: to read one may be what kills the process.

        Raises:
            EventLogAway: the service does not answer in time.
        """
        recorded = await self._recorded(aggregate.type, id_, after, to)
        last = to or max(recorded, default=after)
        events: list[AnyEvent] = []
        for subject in (Subject(aggregate, id_, version) for version in range(after + 1, last + 1)):
            if subject.version in recorded and subject.version not in skips:
                events.append(event_of(subject, recorded[subject.version]))
                continue
            events.append(subject.unreadable(EventsMissing("the event log does not have it")))
            if subject.version not in skips:
                break
        origins = (span_context_of(each.metadata.traceparent) for each in recorded.values())
        return History(events, [each for each in origins if each.is_valid])

    async def _recorded(
        self, aggregate_type: str, id_: str, after: int, to: int
    ) -> Mapping[int, event_log_pb2.RecordedEvent]:
        request = event_log_pb2.ReadAggregateRequest(
            aggregate_type=aggregate_type, aggregate_id=id_, after_version=after
        )
        if to:
            request.to_version = to
        recorded: dict[int, event_log_pb2.RecordedEvent] = {}
        try:
            async for chunk in self._service.ReadAggregate(request, timeout=self._timeout_seconds):
                recorded.update({each.version: each for each in chunk.events})
        except grpc.aio.AioRpcError as error:
            raise EventLogAway(f"EventLogService answers {error.code().name}") from error
        return recorded
