"""The projector on the real servers, started by its own composition root, with a write side in memory."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis
from structlog.testing import capture_logs
from structlog.typing import EventDict

from projector.app import serve
from projector.settings import ProjectorSettings
from read_models.catalog import READ_MODELS
from read_models.orders import ORDERS
from read_models.read_model import ReadModel
from tests.integration.projector.quarantine_client import QuarantineClient
from tests.integration.projector.read_side import ReadModelSide, ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.support.servers import KAFKA_BROKERS, READ_ES_URL, REDIS_URL

Settings = dict[str, Any]


class Logs:
    """Entries of a log that is still written."""

    def __init__(self, entries: Sequence[EventDict]) -> None:
        self._entries = entries

    def of(self, event: str) -> list[EventDict]:
        """The entries of this event."""
        return [entry for entry in self._entries if entry["event"] == event]

    def events(self) -> list[str]:
        """What was logged, in order."""
        return [entry["event"] for entry in self._entries]

    async def has(self, event: str, *, times: int = 1) -> EventDict:
        """The last entry of this event, once there are so many."""

        async def logged() -> EventDict | None:
            entries = self.of(event)
            return entries[-1] if len(entries) >= times else None

        return await eventually(logged, what=event)


def free_address() -> str:
    """An address on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def order_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def customer_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def prefix() -> str:
    """Of this test's topics and index."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def write_side(prefix: str) -> AsyncIterator[WriteSide]:
    write_side = WriteSide(prefix, free_address())  # type: ignore[abstract]
    await write_side.start()
    await write_side.create_topics()
    yield write_side
    await write_side.delete_topics()
    await write_side.stop()


@pytest.fixture
async def read_side(prefix: str) -> AsyncIterator[ReadSide]:
    async with AsyncElasticsearch(READ_ES_URL, max_retries=0) as elasticsearch, Redis.from_url(REDIS_URL) as redis:
        read_side = ReadModelSide(elasticsearch, redis, prefix, ORDERS)
        yield read_side
        await read_side.close()


@pytest.fixture
def settings(prefix: str, write_side: WriteSide) -> Settings:
    """This test's settings, to be changed before the projector runs."""
    return {
        "grpc_listen_address": free_address(),
        "kafka_brokers": KAFKA_BROKERS,
        "read_es_url": READ_ES_URL,
        "redis_url": REDIS_URL,
        "command_service_address": write_side.address,
        "kafka_topic_prefix": prefix,
        "read_index_prefix": prefix,
        "projections": "orders",
        "drain_seconds": 0.2,
        "rebuild_lease_seconds": 60,
        "audit_interval_seconds": 0,
        "probe_interval_seconds": 0,
    }


@asynccontextmanager
async def running(settings: Settings, read_models: Sequence[ReadModel[Any]] = READ_MODELS) -> AsyncIterator[None]:
    """A projector in this process while the body runs; then it is told to stop, as by SIGTERM."""
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(ProjectorSettings(**settings), stop, read_models))
    try:
        yield
    finally:
        stop.set()
        await serving


@pytest.fixture
async def quarantine(settings: Settings) -> AsyncIterator[QuarantineClient]:
    """The quarantine, by this test's projector."""
    async with grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        yield QuarantineClient(channel)


@pytest.fixture
async def projector(settings: Settings, read_side: ReadSide, logs: Logs) -> AsyncIterator[None]:  # noqa: ARG001
    """A running projector, which both outlive."""
    async with running(settings):
        yield


@pytest.fixture
def logs() -> Iterator[Logs]:
    """What a projector in this process logs."""
    with capture_logs() as entries:
        yield Logs(entries)
