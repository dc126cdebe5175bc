"""A real gRPC server in this process, with the layers of every service around methods that a test writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from orderflow.orders.v1 import queries_pb2 as queries
from orderflow.orders.v1 import query_service_pb2_grpc as grpc_api
from service_kit.grpc_errors import Errors
from service_kit.grpc_layers import Context, Layer, Layers
from service_kit.grpc_tracing import Tracing
from service_kit.grpc_validation import Validation

ORDER_ID = "0d9f3b52-7c1e-4e0b-9a53-6f2f7f1d9c11"
GET = queries.GetOrderRequest(order_id=ORDER_ID)
LIST = queries.ListOrdersRequest()
_NOT_OFFERED: Any = None


async def answers(_request: queries.GetOrderRequest, _context: Context) -> queries.GetOrderResponse:
    """A unary method that is content."""
    return queries.GetOrderResponse()


async def streams(_request: queries.ListOrdersRequest, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
    """A streaming method that is content after two chunks."""
    yield queries.ListOrdersResponse(resume_token="1")
    yield queries.ListOrdersResponse(resume_token="2")


class Scripted(grpc_api.OrderQueryServiceServicer):
    """A unary and a streaming method; a test sets what they do."""

    def __init__(self) -> None:
        self.unary: Callable[[queries.GetOrderRequest, Context], Awaitable[queries.GetOrderResponse]] = answers
        self.stream: Callable[[queries.ListOrdersRequest, Context], AsyncIterator[queries.ListOrdersResponse]] = streams
        self.called = asyncio.Event()
        self.closed = asyncio.Event()

    async def GetOrder(self, request: queries.GetOrderRequest, context: Context) -> queries.GetOrderResponse:
        """What the test wrote."""
        self.called.set()
        try:
            return await self.unary(request, context)
        finally:
            self.closed.set()

    async def ListOrders(
        self, request: queries.ListOrdersRequest, context: Context
    ) -> AsyncIterator[queries.ListOrdersResponse]:
        """What the test wrote."""
        self.called.set()
        try:
            async for chunk in self.stream(request, context):
                yield chunk
        finally:
            self.closed.set()

    SearchOrders = WatchOrders = GetOrderHistory = GetCustomerSummary = ListCustomerSummaries = _NOT_OFFERED


class Server:
    """The server's methods, and a client's way to them."""

    def __init__(self, scripted: Scripted, channel: grpc.aio.Channel) -> None:
        self.scripted = scripted
        self.channel = channel
        self.stub: grpc_api.OrderQueryServiceAsyncStub = grpc_api.OrderQueryServiceStub(channel)

    async def get(self, request: queries.GetOrderRequest = GET, **options: Any) -> queries.GetOrderResponse:
        """Calls the unary method."""
        return await self.stub.GetOrder(request, **options)

    async def list(self, **options: Any) -> list[queries.ListOrdersResponse]:
        """Calls the streaming method and reads it to its end."""
        return [chunk async for chunk in self.stub.ListOrders(LIST, **options)]


def ends(server: Server, error: BaseException | None = None, *, waits: bool = False) -> None:
    """Has both methods do the same: send a chunk where they stream, then wait for ever, or end with the error."""

    async def end() -> None:
        if waits:
            await asyncio.Event().wait()
        if error is not None:
            raise error

    async def unary(_request: object, _context: Context) -> queries.GetOrderResponse:
        await end()
        return queries.GetOrderResponse()

    async def stream(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
        yield queries.ListOrdersResponse(resume_token="1")
        await end()

    server.scripted.unary, server.scripted.stream = unary, stream


@asynccontextmanager
async def serving(*layers: Layer) -> AsyncIterator[Server]:
    """Runs a server and a channel to it, with every service's layers unless told otherwise."""
    server = grpc.aio.server(interceptors=[Layers(layers or [Tracing(), Errors(), Validation()])])
    scripted = Scripted()
    grpc_api.add_OrderQueryServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Server(scripted, channel)
    await server.stop(0)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The google.rpc.Status that came with a refusal."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None, f"no status details: {error}"
    return cast("status_pb2.Status", status)


def detail(status: status_pb2.Status, kind: Any) -> Any:
    """The one detail of this kind."""
    found: list[Message] = [kind() for each in status.details if each.Is(kind.DESCRIPTOR)]
    assert len(found) == 1
    next(each for each in status.details if each.Is(kind.DESCRIPTOR)).Unpack(found[0])
    return found[0]


def info_of(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo, which comes first."""
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info
