"""Calls to the services: channels opened when first used, a deadline on each call, errors as `CallFailed`."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import grpc

from orderflow.admin.v1 import (
    personal_data_admin_service_pb2_grpc,
    projection_admin_service_pb2_grpc,
    relay_admin_service_pb2_grpc,
)
from orderflow.customers.v1 import customer_service_pb2_grpc
from orderflow.fulfillment.v1 import query_service_pb2_grpc as fulfillment_query_service_pb2_grpc
from orderflow.inventory.v1 import inventory_command_service_pb2_grpc, inventory_query_service_pb2_grpc
from orderflow.orders.v1 import command_service_pb2_grpc, query_service_pb2_grpc
from ordersctl.errors import CallFailed, Failure, failure_of
from service_kit.grpc_channel import open_channel

if TYPE_CHECKING:  # the stubs of grpc.aio exist for type checkers only
    from orderflow.admin.v1.personal_data_admin_service_pb2_grpc import PersonalDataAdminServiceAsyncStub
    from orderflow.admin.v1.projection_admin_service_pb2_grpc import ProjectionAdminServiceAsyncStub
    from orderflow.admin.v1.relay_admin_service_pb2_grpc import RelayAdminServiceAsyncStub
    from orderflow.customers.v1.customer_service_pb2_grpc import CustomerServiceAsyncStub
    from orderflow.fulfillment.v1.query_service_pb2_grpc import FulfillmentQueryServiceAsyncStub
    from orderflow.inventory.v1.inventory_command_service_pb2_grpc import InventoryCommandServiceAsyncStub
    from orderflow.inventory.v1.inventory_query_service_pb2_grpc import InventoryQueryServiceAsyncStub
    from orderflow.orders.v1.command_service_pb2_grpc import OrderCommandServiceAsyncStub
    from orderflow.orders.v1.query_service_pb2_grpc import OrderQueryServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class Command(Protocol):
    """What every request that changes something has."""

    @property
    def request_id(self) -> str:
        """Chosen per intended effect, so that a repeat takes effect once."""

    @property
    def validate_only(self) -> bool:
        """All checks, no effect."""


AnyCommand = TypeVar("AnyCommand", bound=Command)


@dataclass(frozen=True)
class Addresses:
    """Where the services listen, each as `host:port`."""

    command: str
    query: str
    projector: str


class Client:
    """The services' stubs and calls to them.

    Args:
        timeout: seconds that a call may take; of a stream, that each chunk may take.
    """

    def __init__(self, addresses: Addresses, timeout: float) -> None:
        self.addresses = addresses
        self.timeout = timeout
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    @cached_property
    def orders(self) -> "OrderCommandServiceAsyncStub":
        """Changes orders."""
        return command_service_pb2_grpc.OrderCommandServiceStub(self._channel(self.addresses.command))

    @cached_property
    def customers(self) -> "CustomerServiceAsyncStub":
        """Registers, changes and shows customers."""
        return customer_service_pb2_grpc.CustomerServiceStub(self._channel(self.addresses.command))

    @cached_property
    def stock(self) -> "InventoryCommandServiceAsyncStub":
        """Changes stock."""
        return inventory_command_service_pb2_grpc.InventoryCommandServiceStub(self._channel(self.addresses.command))

    @cached_property
    def personal_data(self) -> "PersonalDataAdminServiceAsyncStub":
        """Shows whether personal data is gone from the command side."""
        return personal_data_admin_service_pb2_grpc.PersonalDataAdminServiceStub(self._channel(self.addresses.command))

    @cached_property
    def relay(self) -> "RelayAdminServiceAsyncStub":
        """Shows the relay."""
        return relay_admin_service_pb2_grpc.RelayAdminServiceStub(self._channel(self.addresses.command))

    @cached_property
    def queries(self) -> "OrderQueryServiceAsyncStub":
        """Shows orders."""
        return query_service_pb2_grpc.OrderQueryServiceStub(self._channel(self.addresses.query))

    @cached_property
    def stock_queries(self) -> "InventoryQueryServiceAsyncStub":
        """Shows stock."""
        return inventory_query_service_pb2_grpc.InventoryQueryServiceStub(self._channel(self.addresses.query))

    @cached_property
    def fulfillments(self) -> "FulfillmentQueryServiceAsyncStub":
        """Shows how orders are moved on."""
        return fulfillment_query_service_pb2_grpc.FulfillmentQueryServiceStub(self._channel(self.addresses.query))

    @cached_property
    def projections(self) -> "ProjectionAdminServiceAsyncStub":
        """Shows the projections."""
        return projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(self._channel(self.addresses.projector))

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        longest: float = 0.0,
    ) -> Response:
        """One answer.

        Args:
            longest: seconds that it may take where that is more than other answers may.

        Raises:
            CallFailed: the call was refused or failed.
        """
        try:
            return await method(request, timeout=max(self.timeout, longest))
        except grpc.aio.AioRpcError as error:
            raise CallFailed(failure_of(error)) from error

    async def command(
        self, method: grpc.aio.UnaryUnaryMultiCallable[AnyCommand, Response], request: AnyCommand
    ) -> Response:
        """The answer of something that changes state.

        Raises:
            CallFailed: as of `call`; names the request id, since the outcome may be unknown.
        """
        try:
            return await self.call(method, request)
        except CallFailed as failed:
            raise failed.repeat_with("--request-id", request.request_id) from failed

    async def stream(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        *,
        longest_silence: float = 0.0,
    ) -> AsyncIterator[Response]:
        """The chunks of a streamed answer, as they arrive.

        Args:
            longest_silence: seconds that a chunk may take where that is more than other answers may.

        Raises:
            CallFailed: the call was refused or failed, or a chunk was late.
        """
        longest = max(self.timeout, longest_silence)
        call = method(request)
        chunks = aiter(call)
        try:
            while True:
                async with asyncio.timeout(longest):
                    chunk = await anext(chunks)
                yield chunk
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            late = f"nothing more came within {longest:g} s"
            raise CallFailed(Failure(code=grpc.StatusCode.DEADLINE_EXCEEDED, message=late)) from error
        except grpc.aio.AioRpcError as error:
            raise CallFailed(failure_of(error)) from error
        finally:
            call.cancel()

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = open_channel(address)
        return self._channels[address]
