"""The composition root of the projector."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import structlog
from elasticsearch import AsyncElasticsearch
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
from projector.handler import PROJECTION, BatchHandler
from projector.index import Index, ReadModelIndex
from projector.lag import GroupLag
from projector.patience import Patience
from projector.progress import Progress
from projector.projection import OrderProjection
from projector.quarantine import Quarantine
from projector.quarantine_admin import QuarantineAdmin
from projector.replays import Replays
from projector.settings import ProjectorSettings
from read_models import orders_index
from service_kit.grpc_channel import open_channel
from service_kit.grpc_server import GrpcServer
from service_kit.kafka_consumer import BatchConsumer
from service_kit.view_cache import ViewCache

_SERVICE = projection_admin_service_pb2.DESCRIPTOR.services_by_name["ProjectionAdminService"]
_log = structlog.get_logger("projector")


async def serve(settings: ProjectorSettings, stop: asyncio.Event) -> None:
    """Projects events, and tells operators how far it is, until `stop` is set.

    Raises:
        WrongIndex: the index was made for another mapping.
    """
    topics = [f"{settings.kafka_topic_prefix}.{each}.events.v1" for each in ("orders", "customers")]
    consumer = BatchConsumer(_kafka(settings), topics, batch_size=settings.batch_size)
    async with AsyncExitStack() as resources:
        elasticsearch = _open_elasticsearch(settings)
        resources.push_async_callback(elasticsearch.close)
        index = ReadModelIndex(elasticsearch, f"{settings.read_index_prefix}-{PROJECTION}")
        lag = GroupLag(_kafka(settings), topics)
        resources.push_async_callback(lag.close)
        server = GrpcServer(settings, {"elasticsearch": index.check, "kafka": consumer.check})
        quarantine = Quarantine(elasticsearch, f"{settings.read_index_prefix}-quarantine")
        replays: asyncio.Future[Replays] = asyncio.get_running_loop().create_future()
        servicer = ProjectionAdminServicer(Progress(PROJECTION, index, lag), QuarantineAdmin(quarantine, replays))
        projection_admin_service_pb2_grpc.add_ProjectionAdminServiceServicer_to_server(servicer, server.grpc)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([_SERVICE], stop))
            projecting = _project(
                settings,
                elasticsearch=elasticsearch,
                index=index,
                quarantine=quarantine,
                replays=replays,
                consumer=consumer,
                stop=stop,
            )
            group.create_task(projecting)


async def _project(
    settings: ProjectorSettings,
    *,
    elasticsearch: AsyncElasticsearch,
    index: ReadModelIndex,
    quarantine: Quarantine,
    replays: "asyncio.Future[Replays]",
    consumer: BatchConsumer,
    stop: asyncio.Event,
) -> None:
    patience = Patience(stop, at_outage=consumer.pardon)
    try:
        opened = await patience.until_done(partial(index.open, orders_index.index_body()))
        async with (
            open_channel(settings.command_service_address) as commands,
            _open_redis(settings) as redis,
            asyncio.TaskGroup() as group,
        ):
            views = _cached_views(settings, redis, opened)
            documents = Documents(
                elasticsearch, opened.name, patience, cached=settings.cached_documents, now_us=_now_us
            )
            customers = Customers(commands, timeout_seconds=settings.customer_timeout_seconds)
            event_log = EventLog(commands, timeout_seconds=settings.event_log_timeout_seconds)
            projection = OrderProjection(documents, views, customers, event_log, patience)
            replays.set_result(Replays(quarantine, projection, event_log, patience, now_us=_now_us))
            handler = BatchHandler(
                projection, quarantine, replays.result(), patience, group=_group(settings), now_us=_now_us
            )
            paying = group.create_task(views.keep_paying())
            await consumer.run(handler, stop)
            paying.cancel()
    except* Outage:
        _log.warning("stopped in an outage; events not finished come again")


def _cached_views(settings: ProjectorSettings, redis: "Redis", index: Index) -> CachedViews:
    time_to_live = timedelta(seconds=settings.cache_ttl_seconds)
    return CachedViews(ViewCache(redis, prefix="order:read:", time_to_live=time_to_live), generation=index.generation)


def _open_elasticsearch(settings: ProjectorSettings) -> AsyncElasticsearch:
    # The client's own spans are no CLIENT spans and lack the index's name: write_in_bulk leaves better ones.
    os.environ.setdefault("OTEL_PYTHON_INSTRUMENTATION_ELASTICSEARCH_ENABLED", "false")
    return AsyncElasticsearch(settings.read_es_url, request_timeout=settings.write_timeout_seconds, max_retries=0)


def _open_redis(settings: ProjectorSettings) -> "Redis":
    """A client that gives up at once: the projection does not wait for the cache."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.cache_timeout_seconds,
        socket_connect_timeout=settings.cache_timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


def _group(settings: ProjectorSettings) -> str:
    return f"{settings.kafka_topic_prefix}.projector.{PROJECTION}"


def _kafka(settings: ProjectorSettings) -> dict[str, str | int]:
    return {
        "bootstrap.servers": settings.kafka_brokers,
        "group.id": _group(settings),
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,  # of a killed process: its partitions wait so long for another
        "heartbeat.interval.ms": 2000,
    }


def _now_us() -> int:
    return time.time_ns() // 1000
