"""The composition root of the projector."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from elasticsearch import AsyncElasticsearch, OrjsonSerializer
from opentelemetry import metrics
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from orderflow.admin.v1 import projection_admin_service_pb2, projection_admin_service_pb2_grpc
from projector.admin_servicer import ProjectionAdminServicer
from projector.customers import Customers
from projector.erasure_check import ReadModelErasureCheck
from projector.event_log import EventLog
from projector.freshness import FreshnessMetrics
from projector.neighbors import Neighbors
from projector.personal_data import PersonalData
from projector.place import Place, placed
from projector.projections import Projections
from projector.rebuild.log_reader import LogReader
from projector.runner import Runner
from projector.settings import ProjectorSettings
from read_models.catalog import READ_MODELS
from read_models.read_model import ReadModel
from service_kit.grpc_channel import open_channel
from service_kit.grpc_server import GrpcServer

_SERVICE = projection_admin_service_pb2.DESCRIPTOR.services_by_name["ProjectionAdminService"]


async def serve(
    settings: ProjectorSettings, stop: asyncio.Event, read_models: Sequence[ReadModel[Any]] = READ_MODELS
) -> None:
    """Projects events, rebuilds, and tells operators how far all of it is, until `stop` is set.

    Args:
        read_models: those that there are; the settings may choose some of them.

    Raises:
        WrongIndex: an alias names several indices.
    """
    async with connected(settings) as neighbors, AsyncExitStack() as resources:
        chosen = [each for each in read_models if each.name in settings.projections.split(",")]
        places = [await resources.enter_async_context(placed(each, neighbors)) for each in chosen]
        runners = [Runner(each, stop) for each in places]
        FreshnessMetrics([each.reading for each in runners], neighbors.meter)
        server = GrpcServer(settings, {"elasticsearch": partial(_check, places), "kafka": places[0].offsets.check})
        quarantine_index = f"{settings.read_index_prefix}-quarantine"
        erasure_check = ReadModelErasureCheck(places, neighbors.elasticsearch, quarantine_index)
        servicer = ProjectionAdminServicer(Projections(runners), erasure_check)
        projection_admin_service_pb2_grpc.add_ProjectionAdminServiceServicer_to_server(servicer, server.grpc)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([_SERVICE], stop))
            for each in runners:
                group.create_task(each.feed(stop))
            onlookers = [group.create_task(onlooker) for each in runners for onlooker in each.onlookers()]
            await stop.wait()
            for onlooker in onlookers:
                onlooker.cancel()
            for each in runners:
                await each.rebuilds.stop()


async def _check(places: Sequence[Place[Any]]) -> None:
    """Raises while readers lack an index."""
    for each in places:
        await each.generations.check()


@asynccontextmanager
async def connected(settings: ProjectorSettings) -> AsyncIterator[Neighbors]:
    """The neighbors, until the context is left."""
    async with (
        _elasticsearch(settings) as elasticsearch,
        _redis(settings) as redis,
        open_channel(settings.command_service_address) as commands,
    ):
        yield Neighbors(
            settings,
            elasticsearch,
            redis,
            commands,
            Customers(
                commands,
                timeout_seconds=settings.customer_timeout_seconds,
                pause_seconds=settings.customer_pause_seconds,
                cached=settings.cached_customers,
            ),
            PersonalData(
                commands,
                timeout_seconds=settings.customer_timeout_seconds,
                pause_seconds=settings.customer_pause_seconds,
            ),
            EventLog(commands, timeout_seconds=settings.event_log_timeout_seconds),
            LogReader(commands, timeout_seconds=settings.event_log_timeout_seconds),
            metrics.get_meter("projector"),
        )


def _elasticsearch(settings: ProjectorSettings) -> AsyncElasticsearch:
    # The client's own spans are no CLIENT spans and lack the index's name: write_in_bulk leaves better ones.
    os.environ.setdefault("OTEL_PYTHON_INSTRUMENTATION_ELASTICSEARCH_ENABLED", "false")
    return AsyncElasticsearch(
        settings.read_es_url,
        request_timeout=settings.write_timeout_seconds,
        max_retries=0,
        serializer=OrjsonSerializer(),
    )


def _redis(settings: ProjectorSettings) -> "Redis":
    """A client that gives up at once: the projection does not wait for the cache."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.cache_timeout_seconds,
        socket_connect_timeout=settings.cache_timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
