"""The client for asyncio."""

from __future__ import annotations  # the async stubs exist for types only

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc

from orderflow.customers.v1.customer_service_pb2_grpc import CustomerServiceStub
from orderflow.events.v1.event_log_pb2_grpc import EventLogServiceStub
from orderflow.fulfillment.v1.query_service_pb2_grpc import FulfillmentQueryServiceStub
from orderflow.inventory.v1.inventory_command_service_pb2_grpc import InventoryCommandServiceStub
from orderflow.inventory.v1.inventory_query_service_pb2_grpc import InventoryQueryServiceStub
from orderflow.orders.v1.command_service_pb2_grpc import OrderCommandServiceStub
from orderflow.orders.v1.queries_pb2 import WatchOrdersRequest, WatchOrdersResponse
from orderflow.orders.v1.query_service_pb2_grpc import OrderQueryServiceStub
from orderflow_client.aio_interceptors import StreamInterceptor, UnaryInterceptor
from orderflow_client.channel_options import OPTIONS
from orderflow_client.errors import OrderflowError
from orderflow_client.requests import completed
from orderflow_client.resumption import Resumable, Resumption
from orderflow_client.tokens import Tokens

if TYPE_CHECKING:
    from orderflow.customers.v1.customer_service_pb2_grpc import CustomerServiceAsyncStub
    from orderflow.events.v1.event_log_pb2_grpc import EventLogServiceAsyncStub
    from orderflow.fulfillment.v1.query_service_pb2_grpc import FulfillmentQueryServiceAsyncStub
    from orderflow.inventory.v1.inventory_command_service_pb2_grpc import InventoryCommandServiceAsyncStub
    from orderflow.inventory.v1.inventory_query_service_pb2_grpc import InventoryQueryServiceAsyncStub
    from orderflow.orders.v1.command_service_pb2_grpc import OrderCommandServiceAsyncStub
    from orderflow.orders.v1.query_service_pb2_grpc import OrderQueryServiceAsyncStub

Request = TypeVar("Request", bound=Resumable)
Response = TypeVar("Response", bound=Resumable)


class AsyncClient:
    """The generated stubs over channels that give every call a request id, tokens, retries and typed errors.

    Queries see every command that this client sent before. Calls raise `orderflow_client.OrderflowError`. Unary
    calls have the service config's deadline unless they get a shorter `timeout`. Belongs to one event loop.

    Args:
        command: `host:port` of the command service.
        query: `host:port` of the query service.
        credentials: for TLS; none: in the clear.
        options: of gRPC's channels, beside or instead of those set here.
    """

    def __init__(
        self,
        *,
        command: str,
        query: str,
        credentials: grpc.ChannelCredentials | None = None,
        options: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        self.tokens = Tokens()
        interceptors = [UnaryInterceptor(self.tokens), StreamInterceptor(self.tokens)]
        self.command_channel, self.query_channel = (
            _open(address, credentials, (*OPTIONS, *options), interceptors) for address in (command, query)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels what is under way and closes the connections."""
        for channel in (self.command_channel, self.query_channel):
            await channel.close()

    @cached_property
    def orders(self) -> OrderCommandServiceAsyncStub:
        """Changes orders."""
        return OrderCommandServiceStub(self.command_channel)

    @cached_property
    def customers(self) -> CustomerServiceAsyncStub:
        """Registers, changes and shows customers."""
        return CustomerServiceStub(self.command_channel)

    @cached_property
    def stock(self) -> InventoryCommandServiceAsyncStub:
        """Changes stock."""
        return InventoryCommandServiceStub(self.command_channel)

    @cached_property
    def log(self) -> EventLogServiceAsyncStub:
        """Reads the event log."""
        return EventLogServiceStub(self.command_channel)

    @cached_property
    def queries(self) -> OrderQueryServiceAsyncStub:
        """Shows orders."""
        return OrderQueryServiceStub(self.query_channel)

    @cached_property
    def stock_queries(self) -> InventoryQueryServiceAsyncStub:
        """Shows stock."""
        return InventoryQueryServiceStub(self.query_channel)

    @cached_property
    def fulfillments(self) -> FulfillmentQueryServiceAsyncStub:
        """Shows how far an order's automatic fulfillment is."""
        return FulfillmentQueryServiceStub(self.query_channel)

    def resumed(self, method: Callable[..., AsyncIterable[Response]], request: Request) -> AsyncIterator[Response]:
        """The messages of a streamed list, such as `queries.ListOrders`, continued wherever the stream breaks.

        Raises:
            OrderflowError: the list was refused, or broke again and again without a message in between.
        """
        return _resumed(method, Resumption(completed(request, self.tokens), endless=False))

    def watched(self, request: WatchOrdersRequest) -> AsyncIterator[WatchOrdersResponse]:
        """What `queries.WatchOrders` sends, without end: continued when it breaks and when the server ends it.

        Close the iterator (`aclose`) to stop.

        Raises:
            OrderflowError: as `resumed`; with TOKEN_INVALID when it was away for too long: start anew.
        """
        return _resumed(self.queries.WatchOrders, Resumption(request, endless=True))


async def _resumed(
    method: Callable[..., AsyncIterable[Response]], resumption: Resumption[Any]
) -> AsyncIterator[Response]:
    pause: float | None = 0.0
    while pause is not None:
        await asyncio.sleep(pause)
        call = method(resumption.request)
        try:
            async for message in call:
                resumption.received(message)
                yield message
            pause = resumption.ended()
        except OrderflowError as error:
            pause = resumption.broken(error)
        finally:
            call.cancel()  # type: ignore[attr-defined]


def _open(
    address: str,
    credentials: grpc.ChannelCredentials | None,
    options: tuple[tuple[str, Any], ...],
    interceptors: list[grpc.aio.ClientInterceptor],
) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
    return grpc.aio.secure_channel(address, credentials, options=options, interceptors=interceptors)
