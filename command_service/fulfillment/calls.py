"""The commands that fulfillment gives, over gRPC, each under the request id of its one intended effect."""

from typing import Any, Protocol, assert_never
from uuid import UUID, uuid5

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry import metrics

from command_service.fulfillment.plan import (
    Accepted,
    Call,
    Cancel,
    Commit,
    Confirm,
    Failed,
    Outcome,
    Refused,
    Release,
    Reserve,
    name_of,
)
from orderflow.inventory.v1 import commands_pb2 as stock_commands
from orderflow.inventory.v1 import inventory_command_service_pb2_grpc
from orderflow.orders.v1 import command_service_pb2_grpc
from orderflow.orders.v1 import commands_pb2 as order_commands
from service_kit.errors import ERROR_DOMAIN

_SKUS = UUID("66756c66-696c-5c6d-856e-740000000002")
_RULES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
"""The codes of a refusal that says something of the order or its stock; all others are about the way there."""


class Calls(Protocol):
    """Gives commands to orders and stock."""

    async def make(self, order_id: str, call: Call) -> Outcome:
        """What became of the call. The same call again has no second effect."""


class GrpcCalls:
    """Gives them to a command server.

    Args:
        timeout_seconds: how long an answer may take; after that it is not known what became of the call.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        self._orders: command_service_pb2_grpc.OrderCommandServiceAsyncStub = (
            command_service_pb2_grpc.OrderCommandServiceStub(channel)
        )
        self._stock: inventory_command_service_pb2_grpc.InventoryCommandServiceAsyncStub = (
            inventory_command_service_pb2_grpc.InventoryCommandServiceStub(channel)
        )
        self._timeout = timeout_seconds
        self._made = metrics.get_meter("command_service.fulfillment").create_counter(
            "orderflow.fulfillment.calls",
            unit="{call}",
            description="Commands that fulfillment gave, by what became of them.",
        )

    async def make(self, order_id: str, call: Call) -> Outcome:
        """What became of the call."""
        outcome: Outcome = Accepted()
        try:
            await self._send(order_id, call)
        except grpc.aio.AioRpcError as error:
            outcome = outcome_of(error)
        attributes = {
            "orderflow.fulfillment.call": name_of(call),
            "orderflow.fulfillment.outcome": type(outcome).__name__.lower(),
        }
        self._made.add(1, attributes)
        return outcome

    async def _send(self, order_id: str, call: Call) -> None:
        named: dict[str, Any] = {"request_id": request_id(order_id, call), "order_id": order_id}
        match call:
            case Reserve():
                reserve = stock_commands.ReserveStockRequest(**named, sku=call.sku, quantity=call.quantity)
                await self._stock.ReserveStock(reserve, timeout=self._timeout)
            case Commit():
                commit = stock_commands.CommitStockRequest(**named, sku=call.sku)
                await self._stock.CommitStock(commit, timeout=self._timeout)
            case Release():
                release = stock_commands.ReleaseStockRequest(**named, sku=call.sku)
                await self._stock.ReleaseStock(release, timeout=self._timeout)
            case Confirm():
                await self._orders.ConfirmOrder(order_commands.ConfirmOrderRequest(**named), timeout=self._timeout)
            case Cancel():
                cancel = order_commands.CancelOrderRequest(
                    **named, expected_version=call.order_version, reason=call.reason
                )
                await self._orders.CancelOrder(cancel, timeout=self._timeout)
            case _:
                assert_never(call)


def request_id(order_id: str, call: Call) -> str:
    """Names the call's one intended effect: equal for repeats, different for all else that is ever called."""
    match call:
        case Reserve() | Commit() | Release():
            part = str(uuid5(_SKUS, call.sku))  # a SKU may have characters that a request id may not
        case Confirm():
            part = "once"
        case Cancel():
            part = str(call.order_version)
    return f"fulfillment/{order_id}/{name_of(call)}/{part}"


def outcome_of(error: grpc.aio.AioRpcError) -> Outcome:
    """A refusal by a rule of ours, or else a failure that may pass."""
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    named = status is not None and any(each.Unpack(info) for each in status.details)
    message = error.details() or ""
    if error.code() in _RULES and named and info.domain == ERROR_DOMAIN:
        return Refused(info.reason, message)
    return Failed(f"{info.reason or error.code().name}: {message}")
