"""The query service on the real servers, started by its own composition root."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from query_service.app import serve
from query_service.settings import QuerySettings
from tests.integration.query_service.client import Queries
from tests.integration.query_service.read_model import ReadModel
from tests.support.servers import READ_ES_URL, REDIS_URL

CONNECT_SOON = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50)]
StartService = Callable[..., Awaitable[Queries]]


@pytest.fixture
async def read_model() -> AsyncIterator[ReadModel]:
    async with AsyncElasticsearch(READ_ES_URL) as client:
        model = ReadModel(client, f"test-{uuid.uuid4().hex[:12]}")
        await model.create()
        yield model
        await model.delete()


@pytest.fixture
async def redis() -> AsyncIterator["Redis"]:
    client = Redis.from_url(REDIS_URL)
    yield client
    await client.aclose()


@pytest.fixture
async def start_service(read_model: ReadModel) -> AsyncIterator[StartService]:
    """Starts a query server of the test's read model; keyword arguments are settings that differ."""
    async with AsyncExitStack() as running:

        async def start(*, until_healthy: bool = True, **settings: Any) -> Queries:
            service = running_service(**{"read_index_prefix": read_model.prefix, **settings})
            queries = await running.enter_async_context(service)
            if until_healthy:
                await queries.until_healthy()
            return queries

        yield start


@pytest.fixture
async def queries(start_service: StartService) -> Queries:
    return await start_service()


@asynccontextmanager
async def running_service(**settings: Any) -> AsyncIterator[Queries]:
    """A query server in this process that listens; keyword arguments are settings that differ."""
    address = f"127.0.0.1:{free_port()}"
    defaults = {
        "grpc_listen_address": address,
        "read_es_url": READ_ES_URL,
        "redis_url": REDIS_URL,
        "token_signing_key": "a signing key for tests",
        "cache_timeout_seconds": 10,  # of a machine under load the default would say that its Redis is away
        "drain_seconds": 0.2,
    }
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(QuerySettings(**{**defaults, **settings}), stop))
    try:
        async with grpc.aio.insecure_channel(address, options=CONNECT_SOON) as channel:
            await channel.channel_ready()
            yield Queries(channel, address)
    finally:
        stop.set()
        await serving


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
