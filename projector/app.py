"""The composition root of the projector."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import grpc
import structlog
from elasticsearch import AsyncElasticsearch, OrjsonSerializer
from opentelemetry import metrics
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from orderflow.admin.v1 import projection_admin_service_pb2, projection_admin_service_pb2_grpc
from projector.admin_servicer import ProjectionAdminServicer
from projector.audit.wiring import auditor_of
from projector.backfill import Backfill
from projector.cached_views import CachedViews
from projector.customers import Customers
from projector.documents import Documents
from projector.enrichment import Enrichment
from projector.errors import Outage
from projector.event_log import EventLog
from projector.feeds import Feeds
from projector.freshness import Freshness, FreshnessMetrics
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.handler import BatchHandler
from projector.heartbeat import Heartbeat
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
from projector.searchable_probe import SearchableProbe
from projector.settings import ProjectorSettings
from projector.tracing import silent
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
    customers: Customers
    generations: Generations
    groups: Groups
    quarantine: Callable[[Generation], Quarantine]
    fed: dict[str, Replays]
    log: LogReader
    heartbeat: Heartbeat


@dataclass(frozen=True)
class _Projecting:
    """What brings events into one generation."""

    projection: OrderProjection
    views: CachedViews
    enrichment: Enrichment
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
        customers = _customers(settings, commands)
        offsets = TopicOffsets({"bootstrap.servers": settings.kafka_brokers}, _topics(settings))
        lag = GroupLag(_kafka(settings), offsets)
        resources.push_async_callback(lag.close)
        generations = Generations(elasticsearch, ORDERS, settings.read_index_prefix)
        groups = Groups(f"{settings.kafka_topic_prefix}.projector.{ORDERS.name}", offsets, lag)
        quarantine = partial(Quarantine, elasticsearch, f"{settings.read_index_prefix}-quarantine")
        log = LogReader(commands, timeout_seconds=settings.event_log_timeout_seconds)
        neighbors = _Neighbors(
            elasticsearch, redis, commands, customers, generations, groups, quarantine, {}, log, Heartbeat()
        )
        freshness = Freshness(generations, groups, log, quarantine)
        rebuilds = _rebuilds(settings, neighbors, Patience(stop))
        server = GrpcServer(settings, {"elasticsearch": generations.check, "kafka": offsets.check})
        progress = Progress(ORDERS.name, generations, groups, freshness, neighbors.heartbeat)
        servicer = ProjectionAdminServicer(progress, rebuilds, QuarantineAdmin(generations, quarantine, neighbors.fed))
        projection_admin_service_pb2_grpc.add_ProjectionAdminServiceServicer_to_server(servicer, server.grpc)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([_SERVICE], stop))
            group.create_task(_feeds(settings, neighbors).run(stop))
            watching = [group.create_task(each) for each in _watching(settings, neighbors, freshness)]
            await stop.wait()
            for each in watching:
                each.cancel()
            await rebuilds.stop()


def _watching(
    settings: ProjectorSettings, neighbors: _Neighbors, freshness: Freshness
) -> Iterator[Coroutine[None, None, None]]:
    """What looks at the projection from outside of it."""
    meter = metrics.get_meter("projector")
    yield FreshnessMetrics(ORDERS.name, freshness, neighbors.heartbeat, meter).run()
    if settings.probe_interval_seconds:
        yield SearchableProbe(
            ORDERS.name,
            neighbors.elasticsearch,
            neighbors.commands,
            neighbors.log,
            meter,
            alias=neighbors.generations.alias,
            interval_seconds=settings.probe_interval_seconds,
        ).run()
    if settings.audit_interval_seconds:
        auditor = auditor_of(
            settings,
            elasticsearch=neighbors.elasticsearch,
            redis=neighbors.redis,
            commands=neighbors.commands,
            customers=neighbors.customers,
            generations=neighbors.generations,
            groups=neighbors.groups,
            log=neighbors.log,
            quarantine=neighbors.quarantine,
            now_us=_now_us,
        )
        yield auditor.run()


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
    consumer = BatchConsumer(
        _kafka(settings, group_id),
        _topics(settings),
        batch_size=settings.batch_size,
        at_round=partial(neighbors.heartbeat.beat, generation.writers),
    )
    patience = Patience(stop, at_outage=consumer.pardon)
    projecting = _projecting(settings, neighbors, generation, patience)
    is_live = partial(feeds.is_live, generation)
    handler = BatchHandler(
        projecting.projection,
        projecting.quarantine,
        projecting.replays,
        patience,
        group=group_id,
        is_live=is_live,
        now_us=_now_us,
    )
    backfill = Backfill(
        projecting.enrichment,
        seconds=settings.backfill_seconds,
        shown=lambda: nullcontext() if is_live() else silent(),
    )
    neighbors.fed[generation.writers] = projecting.replays
    try:
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(projecting.views.keep_paying()), group.create_task(backfill.run())]
            await consumer.run(handler, stop)
            for each in beside:
                each.cancel()
    except* Outage:
        _log.warning("stopped in an outage; events not finished come again", index=generation.index)
    finally:
        del neighbors.fed[generation.writers]
        neighbors.heartbeat.end(generation.writers)


def _projecting(
    settings: ProjectorSettings, neighbors: _Neighbors, generation: Generation, patience: Patience
) -> _Projecting:
    views = _cached_views(settings, neighbors, generation, patience)
    documents = Documents(
        neighbors.elasticsearch, generation, patience, cached=settings.cached_documents, now_us=_now_us
    )
    enrichment = Enrichment(documents, views, neighbors.customers)
    event_log = EventLog(neighbors.commands, timeout_seconds=settings.event_log_timeout_seconds)
    projection = OrderProjection(documents, views, enrichment, event_log, patience)
    quarantine = neighbors.quarantine(generation)
    replays = Replays(quarantine, projection, event_log, patience, now_us=_now_us)
    return _Projecting(projection, views, enrichment, quarantine, replays)


def _customers(settings: ProjectorSettings, commands: grpc.aio.Channel) -> Customers:
    return Customers(
        commands,
        timeout_seconds=settings.customer_timeout_seconds,
        pause_seconds=settings.customer_pause_seconds,
        cached=settings.cached_customers,
    )


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
    event_log = EventLog(neighbors.commands, timeout_seconds=settings.event_log_timeout_seconds)
    switch = Switch(generations, groups, patience)

    def fill(generation: Generation) -> Fill:
        projecting = _projecting(settings, neighbors, generation, patience)
        return Fill(
            ORDERS,
            neighbors.elasticsearch,
            generation,
            neighbors.customers,
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

    log, quarantine = neighbors.log, neighbors.quarantine
    tools = Tools(generations, groups, log, fill, comparison, quarantine, switch, patience, ORDERS.aggregate_type)

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
        "queued.max.messages.kbytes": 8 * 1024,  # fetched ahead; a batch is a few hundred of them
    }


def _now_us() -> int:
    return time.time_ns() // 1000
