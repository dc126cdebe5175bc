"""The whole system of the test profile, as clients see it: real servers, real processes."""

from __future__ import annotations  # the async stubs exist for types only

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import grpc
from google.rpc import error_details_pb2
from google.type import money_pb2
from grpc_status import rpc_status

from deploy.local.stack import Stack
from orderflow.admin.v1 import (
    projection_admin_service_pb2_grpc,
    relay_admin_service_pb2_grpc,
)
from orderflow.common.v1 import address_pb2
from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.customers.v1 import customer_service_pb2_grpc, personal_data_service_pb2_grpc
from orderflow.events.v1 import event_log_pb2_grpc
from orderflow.orders.v1 import command_service_pb2_grpc, order_pb2, query_service_pb2_grpc
from orderflow.orders.v1 import commands_pb2 as commands
from service_kit.grpc_channel import open_channel

SERVICES = ("command_service", "projector", "query_service")


@dataclass(frozen=True)
class Clients:
    """A stub for each service."""

    orders: command_service_pb2_grpc.OrderCommandServiceAsyncStub
    customers: customer_service_pb2_grpc.CustomerServiceAsyncStub
    personal_data: personal_data_service_pb2_grpc.PersonalDataServiceAsyncStub
    log: event_log_pb2_grpc.EventLogServiceAsyncStub
    relay: relay_admin_service_pb2_grpc.RelayAdminServiceAsyncStub
    queries: query_service_pb2_grpc.OrderQueryServiceAsyncStub
    projections: projection_admin_service_pb2_grpc.ProjectionAdminServiceAsyncStub


class System:
    """The running system; `stack` starts, stops, kills and freezes its parts."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[Clients]:
        """Stubs over channels like those that our own programs use."""
        async with (
            open_channel(self.stack.address("command_service")) as command,
            open_channel(self.stack.address("query_service")) as query,
            open_channel(self.stack.address("projector")) as projector,
        ):
            yield Clients(
                orders=command_service_pb2_grpc.OrderCommandServiceStub(command),
                customers=customer_service_pb2_grpc.CustomerServiceStub(command),
                personal_data=personal_data_service_pb2_grpc.PersonalDataServiceStub(command),
                log=event_log_pb2_grpc.EventLogServiceStub(command),
                relay=relay_admin_service_pb2_grpc.RelayAdminServiceStub(command),
                queries=query_service_pb2_grpc.OrderQueryServiceStub(query),
                projections=projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(projector),
            )


def euros(units: int, cents: int = 0) -> money_pb2.Money:
    """An amount."""
    return money_pb2.Money(currency_code="EUR", units=units, nanos=cents * 10_000_000)


def create_order(
    customer_id: str, *, product: str = "Blue kettle", request_id: str = ""
) -> commands.CreateOrderRequest:
    """A valid order of 49.90 euros."""
    return commands.CreateOrderRequest(
        request_id=request_id or str(uuid.uuid4()),
        customer_id=customer_id,
        items=[order_pb2.OrderItem(sku="KETTLE-1", product_name=product, quantity=2, unit_price=euros(24, 95))],
        shipping_address=address_pb2.Address(
            recipient="Zoë Müller",
            address_lines=["Hauptstraße 5"],
            postal_code="10115",
            locality="Berlin",
            region_code="DE",
        ),
    )


def register_customer(name: str = "Zoë Müller") -> customer_commands.RegisterCustomerRequest:
    """A valid registration."""
    return customer_commands.RegisterCustomerRequest(
        request_id=str(uuid.uuid4()), name=name, email="zoe.mueller@example.com"
    )


def rpc_reason(error: grpc.aio.AioRpcError) -> str:
    """The reason in a refusal's ErrorInfo."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    info = error_details_pb2.ErrorInfo()
    if status is None or not status.details[0].Unpack(info):
        raise AssertionError(f"a refusal without ErrorInfo: {error}")
    return info.reason
