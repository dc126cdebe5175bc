"""A server process's life: health by dependency, reflection, a taken port, and a drain that lets calls finish."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from orderflow.orders.v1 import queries_pb2 as queries
from orderflow.orders.v1 import query_service_pb2, query_service_pb2_grpc
from service_kit.grpc_layers import Context
from service_kit.grpc_server import GrpcServer
from service_kit.settings import ServiceSettings
from tests.support.eventually import eventually
from tests.unit.service_kit.in_process import GET, LIST, Scripted

DESCRIPTOR = query_service_pb2.DESCRIPTOR.services_by_name["OrderQueryService"]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Dependency:
    """Something that a service needs."""

    away: bool = False

    async def check(self) -> None:
        """Raises while it is away."""
        if self.away:
            raise OSError("away")


@dataclass(frozen=True)
class Running:
    """A server, what it serves, and a way to it."""

    address: str
    scripted: Scripted
    stop: asyncio.Event
    serving: "asyncio.Task[None]"
    channel: grpc.aio.Channel

    @property
    def stub(self) -> "query_service_pb2_grpc.OrderQueryServiceAsyncStub":
        """Calls its methods."""
        return query_service_pb2_grpc.OrderQueryServiceStub(self.channel)

    @property
    def health_stub(self) -> Any:
        """Calls its health service."""
        return health_pb2_grpc.HealthStub(self.channel)

    async def health(self, name: str = "") -> int:
        """What its health service says."""
        answer = await self.health_stub.Check(health_pb2.HealthCheckRequest(service=name), wait_for_ready=True)
        return int(answer.status)

    async def becomes(self, wanted: int) -> None:
        """Returns when its health service says so."""

        async def says_so() -> bool:
            return await self.health() == wanted

        await eventually(says_so, within=5)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@asynccontextmanager
async def running(
    checks: Mapping[str, Callable[[], Awaitable[None]]] | None = None, **settings: object
) -> AsyncIterator[Running]:
    address = free_address()
    server = GrpcServer(
        ServiceSettings.model_validate({"grpc_listen_address": address, "drain_seconds": 5, **settings}), checks or {}
    )
    scripted = Scripted()
    query_service_pb2_grpc.add_OrderQueryServiceServicer_to_server(scripted, server.grpc)
    stop = asyncio.Event()
    async with grpc.aio.insecure_channel(address) as channel:
        serving = asyncio.create_task(server.serve([DESCRIPTOR], stop))
        yield Running(address, scripted, stop, serving, channel)
        stop.set()
        await serving


async def test_a_server_without_trouble_says_serving_for_itself_and_each_service() -> None:
    async with running() as server:
        await server.becomes(SERVING)
        assert await server.health(DESCRIPTOR.full_name) == SERVING


async def test_a_server_is_not_ready_before_its_dependencies_were_there() -> None:
    async with running({"database": Dependency(away=True).check}) as server:
        assert await server.health() == NOT_SERVING
        assert await server.health(DESCRIPTOR.full_name) == NOT_SERVING


async def test_readiness_follows_the_dependencies() -> None:
    database, cache = Dependency(), Dependency()

    async with running({"database": database.check, "cache": cache.check}) as server:
        await server.becomes(SERVING)
        cache.away = True
        await server.becomes(NOT_SERVING)
        cache.away = False
        await server.becomes(SERVING)


async def test_a_check_that_hangs_counts_as_away() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    async with running({"database": hangs}) as server:
        assert await server.health() == NOT_SERVING


@pytest.mark.parametrize("offered", [True, False])
async def test_reflection_lists_the_services_unless_it_is_off(*, offered: bool) -> None:
    async with running(grpc_reflection=offered) as server:
        await server.health()
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", server.channel))
        # A message that is on its way while the call is refused can end it as INTERNAL: a client's race.
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")] if offered else []
        call = stub.ServerReflectionInfo(iter(asked))
        if not offered:
            with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
                await anext(aiter(call))
            return
        answer = await anext(aiter(call))
        names = [each.name for each in answer.list_services_response.service]
        assert DESCRIPTOR.full_name in names
        assert "grpc.health.v1.Health" in names
        call.cancel()


async def test_a_taken_port_is_told_by_its_setting() -> None:
    async with running() as first:
        await first.health()
        second = GrpcServer(ServiceSettings(grpc_listen_address=first.address), {})
        with pytest.raises(OSError, match="GRPC_LISTEN_ADDRESS"):
            await second.serve([DESCRIPTOR], asyncio.Event())
        await second.grpc.stop(0)


async def test_a_call_in_flight_finishes_when_the_server_stops_and_new_ones_are_refused() -> None:
    release = asyncio.Event()

    async def slow(_request: object, _context: Context) -> queries.GetOrderResponse:
        await release.wait()
        return queries.GetOrderResponse()

    async with running() as server:
        server.scripted.unary = slow
        call = asyncio.ensure_future(server.stub.GetOrder(GET, wait_for_ready=True))
        await server.scripted.called.wait()
        await server.becomes(SERVING)
        watching = server.health_stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        server.stop.set()
        assert (await watching.read()).status == NOT_SERVING
        watching.cancel()
        async with grpc.aio.insecure_channel(server.address) as late:
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await query_service_pb2_grpc.OrderQueryServiceStub(late).GetOrder(GET)
        release.set()
        assert await call == queries.GetOrderResponse()
        await asyncio.wait_for(server.serving, 2)


async def test_a_call_that_outlasts_the_drain_is_cancelled_and_has_cleaned_up_when_the_server_returns() -> None:
    cleaned = asyncio.Event()

    async def endless(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
        try:
            yield queries.ListOrdersResponse()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # what a real method does to close what it holds
            cleaned.set()

    async with running(drain_seconds=0.1) as server:
        server.scripted.stream = endless
        await anext(aiter(server.stub.ListOrders(LIST, wait_for_ready=True)))
        server.stop.set()
        await asyncio.wait_for(server.serving, 2)
        assert cleaned.is_set()
