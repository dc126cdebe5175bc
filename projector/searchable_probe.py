"""Measures how long it takes from an event's commit until searches find it.

No part on the way is asked, as each knows only its own. Now and again the probe takes the next event of one of the
read model's aggregates that appears in the event log, whose time of recording is the database's, and searches for it
by the readers' alias until it is found. So relay, Kafka, projection, bulk request and refresh are all in the figure;
the time between two searches is, too, and the difference between the database's clock and this one's.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any

import grpc
import structlog
from elasticsearch import AsyncElasticsearch
from opentelemetry.metrics import Meter

from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from projector.elasticsearch_errors import as_outage
from projector.errors import EventLogAway, ReadModelAway
from projector.onlookers import again_and_again
from projector.rebuild.log_reader import LogReader
from read_models.read_model import ReadModel

_SEARCH_SECONDS = 0.05
_LATER_SEARCH_SECONDS = 0.5
_SOON_SECONDS = 5.0
_MOST_SECONDS = 300.0
_SILENT_SECONDS = 15.0
_BOUNDARIES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_log = structlog.get_logger("projector")


class SearchableProbe:
    """Measures one event at a time.

    Args:
        channel: to the command service.
        alias: that readers search by.
        interval_seconds: between two measurements.
        now: seconds since 1970.
    """

    def __init__(
        self,
        read_model: ReadModel[Any],
        elasticsearch: AsyncElasticsearch,
        channel: grpc.aio.Channel,
        log: LogReader,
        meter: Meter,
        *,
        alias: str,
        interval_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._read_model = read_model
        self._attributes = {"orderflow.projection.name": read_model.name}
        self._elasticsearch = elasticsearch
        self._service = event_log_pb2_grpc.EventLogServiceStub(channel)
        self._log_reader = log
        self._alias = alias
        self._interval_seconds = interval_seconds
        self._now = now
        self._delay = meter.create_histogram(
            "orderflow.projection.searchable.delay",
            unit="s",
            description="Time from an event's commit until searches find it, of sampled events.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )

    async def run(self) -> None:
        """Measures again and again until it is cancelled."""
        await again_and_again(self._measure, "measurement", pause_seconds=self._interval_seconds)

    async def _measure(self) -> None:
        event = await self._next_event()
        committed = event.record_time.ToDatetime(tzinfo=UTC).timestamp()
        while not await self._is_found(event):
            waited = self._now() - committed
            if waited > _MOST_SECONDS:
                _log.warning(
                    "not searchable in time",
                    projection=self._read_model.name,
                    aggregate_id=event.aggregate_id,
                    version=event.version,
                )
                break
            await asyncio.sleep(_SEARCH_SECONDS if waited < _SOON_SECONDS else _LATER_SEARCH_SECONDS)
        self._delay.record(max(0.0, self._now() - committed), self._attributes)

    async def _next_event(self) -> event_log_pb2.RecordedEvent:
        """The next event of an aggregate, as soon as it is there, in whichever shard.

        Raises:
            EventLogAway: the service does not answer.
        """
        heads = await self._log_reader.heads()
        if not heads:
            raise EventLogAway("the log has no shard")
        waiting = [asyncio.create_task(self._next_of_shard(shard, head)) for shard, head in heads.items()]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _next_of_shard(self, shard: int, head: int) -> event_log_pb2.RecordedEvent:
        types = [self._read_model.aggregate.type]
        call = self._service.ReadLog(
            event_log_pb2.ReadLogRequest(log_shard=shard, after_position=head, aggregate_types=types, follow=True)
        )
        try:
            while True:
                async with asyncio.timeout(_SILENT_SECONDS):
                    chunk = await call.read()
                if not isinstance(chunk, event_log_pb2.ReadLogResponse):
                    raise EventLogAway("the log's stream has ended")
                if chunk.events:
                    return chunk.events[-1]
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            raise EventLogAway(f"the log cannot be followed: {type(error).__name__}") from error
        finally:
            call.cancel()

    async def _is_found(self, event: event_log_pb2.RecordedEvent) -> bool:
        """Whether a search finds it now; while Elasticsearch is away nothing is found."""
        with suppress(ReadModelAway):
            return await self._search(event)
        return False

    async def _search(self, event: event_log_pb2.RecordedEvent) -> bool:
        itself = {"ids": {"values": [event.aggregate_id]}}
        seen = {"range": {"version": {"gte": event.version}}}
        with as_outage():
            answer = await self._elasticsearch.search(
                index=self._alias,
                query={"bool": {"filter": [itself, seen]}},
                source=False,
                size=1,
                track_total_hits=False,
                request_cache=False,
                allow_partial_search_results=False,
            )
        return bool(answer["hits"]["hits"])
