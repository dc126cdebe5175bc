"""The canary, and an auditor that looks at everything, on the whole system while commands flow."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from structlog.testing import capture_logs

from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import queries_pb2
from ordersctl.canary import CUSTOMER_ID, Canary
from ordersctl.client import Addresses, Client
from projector.app import connected
from projector.audit.auditor import Auditor
from projector.audit.wiring import auditor_of
from projector.place import placed
from projector.settings import ProjectorSettings
from read_models.orders import ORDERS
from tests.support.system import Clients, System, create_order, euros, register_customer

_DAY = date(2026, 3, 1)


async def test_the_canary_sees_its_change_and_leaves_one_order_a_day(system: System, clients: Clients) -> None:
    stack = system.stack
    addresses = Addresses(stack.address("command_service"), stack.address("query_service"), stack.address("projector"))
    name = f"test-{uuid.uuid4()}"
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("test")
    async with Client(addresses, timeout=20) as client:
        canary = Canary(client, meter, name=name, limit=30, today=lambda: _DAY)
        for _ in range(3):
            readable, searchable = await canary.round()
            assert readable > 0
            assert searchable > 0
        order_id = canary.order_id(_DAY)
    got = await clients.queries.GetOrder(queries_pb2.GetOrderRequest(order_id=order_id, min_version=7))
    assert got.order.version == 7
    assert got.order.customer_id == CUSTOMER_ID
    assert [each.sku for each in got.order.items] == ["CANARY"]


@asynccontextmanager
async def _auditor(system: System) -> AsyncIterator[Auditor]:
    """An auditor as a projector has it, of all orders that there are."""
    environment = system.stack.environment()
    settings = ProjectorSettings(
        read_es_url=environment["READ_ES_URL"],
        kafka_brokers=environment["KAFKA_BROKERS"],
        redis_url=environment["REDIS_URL"],
        command_service_address=system.stack.address("command_service"),
        customer_timeout_seconds=5,
        audit_sample_size=10_000,
    )
    async with connected(settings) as neighbors, placed(ORDERS, neighbors) as place:
        yield auditor_of(place)


async def _shop(clients: Clients, stop: asyncio.Event) -> int:
    """A customer who changes their name between orders, and reads them; how many commands that were."""
    customer = await clients.customers.RegisterCustomer(register_customer())
    sent = 1
    while not stop.is_set():
        created = await clients.orders.CreateOrder(create_order(customer.customer_id))
        update = customer_commands.UpdateCustomerRequest(customer_id=customer.customer_id, name=f"Zoë {uuid.uuid4()}")
        await clients.customers.UpdateCustomer(update)
        pay = commands.RecordPaymentRequest(order_id=created.order_id, payment_reference="P", amount=euros(1))
        for request in (pay, pay):
            paid = await clients.orders.RecordPayment(request)
            await clients.queries.GetOrder(
                queries_pb2.GetOrderRequest(order_id=created.order_id, consistency_tokens=[paid.consistency_token])
            )
        sent += 4
    return sent


@pytest.mark.timeout(180)
async def test_an_auditor_that_looks_at_all_orders_accuses_nobody_while_commands_flow(
    system: System, clients: Clients
) -> None:
    stop = asyncio.Event()
    async with _auditor(system) as auditor:
        with capture_logs() as logs:
            async with asyncio.TaskGroup() as group:
                shopping = [group.create_task(_shop(clients, stop)) for _ in range(8)]
                for _ in range(4):
                    assert await auditor.audit() == []
                stop.set()
            assert await auditor.audit() == []
    assert sum(each.result() for each in shopping) > 100
    assert [each for each in logs if each["log_level"] == "error"] == []
