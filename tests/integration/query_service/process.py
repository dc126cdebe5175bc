"""Query servers as people start them: processes, which a test can kill."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tests.integration.query_service.client import Queries
from tests.integration.query_service.conftest import CONNECT_SOON, free_port
from tests.support.servers import READ_ES_URL, REDIS_URL
from tests.support.service_process import started

_SMALL_WINDOW = [("grpc.http2.bdp_probe", 0)]
"""So that a server cannot send far ahead of who reads."""


class Server:
    """A query server that serves."""

    def __init__(self, process: asyncio.subprocess.Process, queries: Queries) -> None:
        self.queries = queries
        self._process = process

    async def kill(self) -> None:
        """Ends it, as by `kill -9`."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def server(**settings: Any) -> AsyncIterator[Server]:
    """A server of its own process; keyword arguments are settings that differ."""
    address = f"127.0.0.1:{free_port()}"
    defaults = {
        "grpc_listen_address": address,
        "read_es_url": READ_ES_URL,
        "redis_url": REDIS_URL,
        "token_signing_key": "a signing key for tests",
    }
    async with (
        started("query_service", {**defaults, **settings}) as process,
        grpc.aio.insecure_channel(address, options=[*CONNECT_SOON, *_SMALL_WINDOW]) as channel,
    ):
        await channel.channel_ready()
        queries = Queries(channel, address)
        await queries.until_healthy()
        yield Server(process, queries)
