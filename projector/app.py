"""The composition root of the projector."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import grpc
import structlog
from elasticsearch import AsyncElasticsearch, OrjsonSerializer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from orderflow.admin.v1 import projection_admin_service_pb2, projection_admin_service_pb2_grpc
from projector.admin_servicer import ProjectionAdminServicer
from projector.cached_views import CachedViews
from projector.customers import Customers
from projector.documents import Documents
from projector.errors import Outage
from projector.event_log import EventLog
from projector.feeds import Feeds
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.handler import BatchHandler
from projector.lag import GroupLag
from projector.offsets import TopicOffsets
from projector.patience import Patience
from projector.progress import Progress
from projector.projection import OrderProjection
from projector.quarantine import Quarantine
from projector.quarantine_admin import QuarantineAdmin
from projector.rebuild.comparison import Comparison
from projector.rebuild.fill import Fill
from projector.rebuild.log_reader import LogReader
from projector.rebuild.progress import RebuildProgress
from projector.rebuild.rebuild import Rebuild, Tools
from projector.rebuild.rebuilds import Rebuilds
from projector.rebuild.switch import Switch
from projector.replays import Replays
from projector.settings import ProjectorSettings
from read_models.read_model import ORDERS
from service_kit.grpc_channel import open_channel
from service_kit.grpc_server import GrpcServer
from service_kit.kafka_consumer import BatchConsumer
from service_kit.view_cache import ViewCache

_SERVICE = projection_admin_service_pb2.DESCRIPTOR.services_by_name["ProjectionAdminService"]
_log = structlog.get_logger("projector")


@dataclass(frozen=True)
class _Neighbors:
    """What the projector is connected to, and what it knows of its own."""

    elasticsearch: AsyncElasticsearch
    redis: "Redis"
    commands: grpc.aio.Channel
    generations: Generations
    groups: Groups
    quarantine: Callable[[Generation], Quarantine]
    fed: dict[str, Replays]


@dataclass(frozen=True)
class _Projecting:
    """What brings events into one generation."""

    projection: OrderProjection
    views: CachedViews
    quarantine: Quarantine
    replays: Replays


async def serve(settings: ProjectorSettings, stop: asyncio.Event) -> None:
    """Projects events, rebuilds, and tells operators how far all of it is, until `stop` is set.

    Raises:
        WrongIndex: the alias names several indices.
    """
    async with AsyncExitStack() as resources:
        elasticsearch = _open_elasticsearch(settings)
        resources.push_async_callback(elasticsearch.close)
        redis = await resources.enter_async_context(_open_redis(settings))
        commands = await resources.enter_async_context(open_channel(settings.command_service_address))
        offsets = TopicOffsets({"bootstrap.servers": settings.kafka_brokers}, _topics(settings))
        lag = GroupLag(_kafka(settings), offsets)
        resources.push_async_callback(lag.close)
        generations = Generations(elasticsearch, ORDERS, settings.read_index_prefix)
        groups = Groups(f"{settings.kafka_topic_prefix}.projector.{ORDERS.name}", offsets, lag)
        quarantine = partial(Quarantine, elasticsearch, f"{settings.read_index_prefix}-quarantine")
        neighbors = _Neighbors(elasticsearch, redis, commands, generations, groups, quarantine, {})
        rebuilds = _rebuilds(settings, neighbors, Patience(stop))
        server = GrpcServer(settings, {"elasticsearch": generations.check, "kafka": offsets.check})
        progress = Progress(ORDERS.name, generations, groups)
        servicer = ProjectionAdminServicer(progress, rebuilds, QuarantineAdmin(generations, quarantine, neighbors.fed))
        projection_admin_service_pb2_grpc.add_ProjectionAdminServiceServicer_to_server(servicer, server.grpc)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([_SERVICE], stop))
            group.create_task(_feeds(settings, neighbors).run(stop))
            await stop.wait()
            await rebuilds.stop()


def _feeds(settings: ProjectorSettings, neighbors: _Neighbors) -> Feeds:
    async def feed(generation: Generation, stop: asyncio.Event) -> None:
        await _project(settings, neighbors, generation, feeds, stop)

    feeds = Feeds(
        ORDERS.name,
        neighbors.generations,
        feed,
        kept=settings.kept_generations,
        lease_seconds=settings.rebuild_lease_seconds,
    )
    return feeds


async def _project(
    settings: ProjectorSettings, neighbors: _Neighbors, generation: Generation, feeds: Feeds, stop: asyncio.Event
) -> None:
    group_id = neighbors.groups.id_of(generation)
    consumer = BatchConsumer(_kafka(settings, group_id), _topics(settings), batch_size=settings.batch_size)
    patience = Patience(stop, at_outage=consumer.pardon)
    projecting = _projecting(settings, neighbors, generation, patience)
    handler = BatchHandler(
        projecting.projection,
        projecting.quarantine,
        projecting.replays,
        patience,
        group=group_id,
        is_live=partial(feeds.is_live, generation),
        now_us=_now_us,
    )
    neighbors.fed[generation.writers] = projecting.replays
    try:
        async with asyncio.TaskGroup() as group:
            paying = group.create_task(projecting.views.keep_paying())
            await consumer.run(handler, stop)
            paying.cancel()
    except* Outage:
        _log.warning("stopped in an outage; events not finished come again", index=generation.index)
    finally:
        del neighbors.fed[generation.writers]


def _projecting(
    settings: ProjectorSettings, neighbors: _Neighbors, generation: Generation, patience: Patience
) -> _Projecting:
    views = _cached_views(settings, neighbors, generation, patience)
    documents = Documents(
        neighbors.elasticsearch, generation, patience, cached=settings.cached_documents, now_us=_now_us
    )
    customers = Customers(neighbors.commands, timeout_seconds=settings.customer_timeout_seconds)
    event_log = EventLog(neighbors.commands, timeout_seconds=settings.event_log_timeout_seconds)
    projection = OrderProjection(documents, views, customers, event_log, patience)
    quarantine = neighbors.quarantine(generation)
    replays = Replays(quarantine, projection, event_log, patience, now_us=_now_us)
    return _Projecting(projection, views, quarantine, replays)


def _cached_views(
    settings: ProjectorSettings, neighbors: _Neighbors, generation: Generation, patience: Patience
) -> CachedViews:
    time_to_live = timedelta(seconds=settings.cache_ttl_seconds)
    return CachedViews(
        ViewCache(neighbors.redis, prefix="order:read:", time_to_live=time_to_live),
        generation=generation.number,
        live=partial(patience.until_done, partial(neighbors.generations.is_live, generation)),
    )


def _rebuilds(settings: ProjectorSettings, neighbors: _Neighbors, patience: Patience) -> Rebuilds:
    generations, groups = neighbors.generations, neighbors.groups
    customers = Customers(neighbors.commands, timeout_seconds=settings.customer_timeout_seconds)
    event_log = EventLog(neighbors.commands, timeout_seconds=settings.event_log_timeout_seconds)
    switch = Switch(generations, groups, patience)

    def fill(generation: Generation) -> Fill:
        projecting = _projecting(settings, neighbors, generation, patience)
        return Fill(
            ORDERS,
            neighbors.elasticsearch,
            generation,
            customers,
            patience,
            quarantine=projecting.quarantine,
            replays=projecting.replays,
            window=settings.cached_documents,
            now_us=_now_us,
        )

    def comparison(generation: Generation, before_us: int) -> Comparison:
        return Comparison(
            ORDERS,
            neighbors.elasticsearch,
            generations,
            event_log,
            patience,
            quarantine=neighbors.quarantine(generation),
            before_us=before_us,
        )

    log = LogReader(neighbors.commands, timeout_seconds=settings.event_log_timeout_seconds)
    tools = Tools(
        generations, groups, log, fill, comparison, neighbors.quarantine, switch, patience, ORDERS.aggregate_type
    )

    def make(generation: Generation, progress: RebuildProgress, ignore_differences: bool) -> Rebuild:  # noqa: FBT001
        return Rebuild(tools, generation, progress, ignore_differences=ignore_differences)

    return Rebuilds(ORDERS.name, generations, groups, switch, make, kept=settings.kept_generations)


def _open_elasticsearch(settings: ProjectorSettings) -> AsyncElasticsearch:
    # The client's own spans are no CLIENT spans and lack the index's name: write_in_bulk leaves better ones.
    os.environ.setdefault("OTEL_PYTHON_INSTRUMENTATION_ELASTICSEARCH_ENABLED", "false")
    return AsyncElasticsearch(
        settings.read_es_url,
        request_timeout=settings.write_timeout_seconds,
        max_retries=0,
        serializer=OrjsonSerializer(),
    )


def _open_redis(settings: ProjectorSettings) -> "Redis":
    """A client that gives up at once: the projection does not wait for the cache."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.cache_timeout_seconds,
        socket_connect_timeout=settings.cache_timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


def _topics(settings: ProjectorSettings) -> Sequence[str]:
    return [f"{settings.kafka_topic_prefix}.{each}.events.v1" for each in ORDERS.topics]


def _kafka(settings: ProjectorSettings, group_id: str = "") -> dict[str, str | int]:
    return {
        "bootstrap.servers": settings.kafka_brokers,
        "group.id": group_id,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,  # of a killed process: its partitions wait so long for another
        "heartbeat.interval.ms": 2000,
    }


def _now_us() -> int:
    return time.time_ns() // 1000
