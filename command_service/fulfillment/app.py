"""The fulfillment process's composition root: hints from Kafka, and a worker that moves orders on."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from opentelemetry import metrics

from command_service.errors import StoreUnavailable
from command_service.event_store.database import Database
from command_service.event_store.port import EventStore
from command_service.event_store.postgres import PostgresEventStore
from command_service.fulfillment.aggregate import fulfillment_aggregate
from command_service.fulfillment.calls import GrpcCalls
from command_service.fulfillment.hints import HintHandler
from command_service.fulfillment.metrics import OpenMetrics
from command_service.fulfillment.open_fulfillments import OpenFulfillments
from command_service.fulfillment.reconciler import Reconciler
from command_service.fulfillment.settings import FulfillmentSettings
from command_service.fulfillment.worker import Worker
from command_service.handler import CommandHandler
from command_service.orders.aggregate import order_aggregate
from command_service.readiness import database_ready
from event_schemas.aggregates import ORDER
from service_kit.grpc_channel import open_channel
from service_kit.kafka_consumer import BatchConsumer

_MOST_WAITING = 1_000
_log = structlog.get_logger("command_service.fulfillment")


async def serve(settings: FulfillmentSettings, stop: asyncio.Event) -> None:
    """Moves orders of automatic fulfillment on until `stop` is set.

    Raises:
        ShardCountMismatch: the log was made with another number of shards.
        KafkaException: a fatal error of the client.
    """
    if not await database_ready(settings.write_db_url, settings.log_shards, stop):
        return
    async with AsyncExitStack() as resources:
        database = await resources.enter_async_context(
            Database(settings.write_db_url, max_connections=settings.write_db_connections)
        )
        store = await resources.enter_async_context(
            PostgresEventStore(database, settings.log_shards, max_waiting=_MOST_WAITING)
        )
        channel = await resources.enter_async_context(open_channel(settings.command_service_address))
        open_fulfillments = OpenFulfillments(database, lease=timedelta(seconds=settings.fulfillment_lease_seconds))
        calls = GrpcCalls(channel, timeout_seconds=settings.command_timeout_seconds)
        worker = Worker(
            open_fulfillments,
            reconciler(settings, store, calls, open_fulfillments),
            at_once=settings.fulfillments_at_once,
            look_again=timedelta(seconds=settings.fulfillment_look_again_seconds),
        )
        figures = OpenMetrics(metrics.get_meter("command_service.fulfillment"), open_fulfillments)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run(stop, drain_seconds=settings.drain_seconds))
            tasks.create_task(figures.run(stop))
            tasks.create_task(_take_hints(settings, open_fulfillments, worker, stop))


def reconciler(
    settings: FulfillmentSettings, store: EventStore, calls: GrpcCalls, open_fulfillments: OpenFulfillments
) -> Reconciler:
    """What moves an order on."""
    handler = partial(
        CommandHandler,
        store=store,
        cached_states=settings.cached_states,
        clock=partial(datetime.now, UTC),
        new_id=uuid.uuid4,
    )
    return Reconciler(
        handler(order_aggregate(delivery=timedelta())),  # only read here: nothing is expected of its delivery
        handler(fulfillment_aggregate()),
        calls,
        open_fulfillments.now,
        payment_time=timedelta(seconds=settings.payment_timeout_seconds),
    )


async def _take_hints(
    settings: FulfillmentSettings, open_fulfillments: OpenFulfillments, worker: Worker, stop: asyncio.Event
) -> None:
    consumer = BatchConsumer(_consumer_settings(settings), [f"{settings.kafka_topic_prefix}.{ORDER.topic}.events.v1"])
    handler = HintHandler(open_fulfillments, stop, hinted=worker.wake, at_outage=consumer.pardon)
    try:
        await consumer.run(handler, stop)
    except StoreUnavailable:
        if not stop.is_set():
            raise
        _log.warning("stopped in an outage; hints not stored come again")


def _consumer_settings(settings: FulfillmentSettings) -> dict[str, str | int]:
    return {
        "bootstrap.servers": settings.kafka_brokers,
        "group.id": f"{settings.kafka_topic_prefix}.fulfillment",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,  # of a killed process: its partitions wait so long for another
        "heartbeat.interval.ms": 2000,
        "max.poll.interval.ms": 30_000,
        "topic.metadata.refresh.interval.ms": 2000,  # the relay may make the topic only after this has started
        "queued.max.messages.kbytes": 8 * 1024,
    }
