"""The relay's composition root: one thread per shard of the log."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
from opentelemetry import metrics

from command_service.event_store.database import KEEP_ALIVE
from command_service.readiness import database_ready
from command_service.relay.lease import Connection
from command_service.relay.metrics import LagMetrics, RelayMetrics
from command_service.relay.publisher import Publisher
from command_service.relay.settings import RelaySettings
from command_service.relay.shard_relay import ShardRelay
from command_service.relay.topics import prepare_topics


async def serve(settings: RelaySettings, stop: asyncio.Event) -> None:
    """Relays every shard until `stop` is set.

    Raises:
        ShardCountMismatch: the log was made with another number of shards.
        Exception: a shard cannot be relayed, and trying again would not help.
    """
    if not await database_ready(settings.write_db_url, settings.log_shards, stop):
        return
    stopping = threading.Event()
    holder = f"{socket.gethostname()}/{os.getpid()}"
    meter = metrics.get_meter("command_service.relay")
    told = RelayMetrics(meter, settings.log_shards)
    lag = LagMetrics(meter, partial(_connect, settings.write_db_url, name="orderflow relay lag"), settings.log_shards)
    runs = [lag.run, *(_shard_relay(settings, shard, holder, told).run for shard in range(settings.log_shards))]
    # A pool of its own: asyncio's has fewer threads than there may be shards, and each is taken for good.
    with ThreadPoolExecutor(len(runs), thread_name_prefix="relay") as pool:
        async with asyncio.TaskGroup() as shards:
            for run in runs:
                shards.create_task(_in_thread(pool, partial(run, stopping)))
            try:
                await stop.wait()
            finally:
                stopping.set()


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(pool, work)


def _shard_relay(settings: RelaySettings, log_shard: int, holder: str, told: RelayMetrics) -> ShardRelay:
    return ShardRelay(
        log_shard,
        holder,
        connect=partial(_connect, settings.write_db_url),
        open_topics=partial(
            prepare_topics,
            settings.kafka_brokers,
            prefix=settings.kafka_topic_prefix,
            partition_count=settings.kafka_topic_partitions,
        ),
        open_publisher=partial(Publisher, settings.kafka_brokers),
        metrics=told,
    )


def _connect(url: str, name: str = "orderflow relay") -> Connection:
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=5,
        tcp_user_timeout=10_000,
        **KEEP_ALIVE,
        application_name=name,
        options="-c statement_timeout=10s -c jit=off -c synchronous_commit=off",
    )
