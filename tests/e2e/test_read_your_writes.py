"""Read your writes: whoever passes a command's token to a query sees that command, also while readers are moved."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from orderflow.admin.v1 import rebuild_pb2
from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import order_pb2, queries_pb2, views_pb2
from tests.integration.query_service.process import server
from tests.support.eventually import eventually
from tests.support.long_form import quick_or_long
from tests.support.system import Clients, System, create_order, euros, register_customer

_SHOPPERS = 4
_COMMANDS = quick_or_long(48, 1000)
_REBUILDS = quick_or_long(1, 5)


class Shopper:
    """A customer who looks for each of their commands at once, by all queries.

    Attributes:
        seen: how many commands were looked for, and seen.
    """

    def __init__(self, clients: Clients) -> None:
        self.seen = 0
        self._clients = clients
        self._customer_id = ""
        self._orders: dict[str, int] = {}
        self._name = ""
        self._renamed: set[str] = set()
        self._word = f"samovar{uuid.uuid4().hex[:8]}"

    async def register(self) -> None:
        """Becomes a customer; no order shows that yet."""
        answer = await self._clients.customers.RegisterCustomer(register_customer())
        self._customer_id = answer.customer_id

    async def shop(self) -> None:
        """An order's life, command by command, and a change of the customer's name."""
        created = await self._clients.orders.CreateOrder(create_order(self._customer_id, product=f"Red {self._word}"))
        await self._look_for(created.order_id, created)
        for method, request in self._life(created.order_id):
            await self._look_for(created.order_id, await method(request))
        self._name = f"Zoë {uuid.uuid4().hex[:8]}"
        renamed = await self._clients.customers.UpdateCustomer(
            customer_commands.UpdateCustomerRequest(customer_id=self._customer_id, name=self._name)
        )
        self._renamed = set(self._orders)
        await self._look(created.order_id, renamed.consistency_token)

    def _life(self, order_id: str) -> Iterator[tuple[Any, Any]]:
        orders = self._clients.orders
        item = order_pb2.OrderItem(sku="CUP-1", product_name="Cup", quantity=1, unit_price=euros(5))
        yield orders.AddItem, commands.AddItemRequest(order_id=order_id, item=item)
        yield (
            orders.RecordPayment,
            commands.RecordPaymentRequest(order_id=order_id, payment_reference="P", amount=euros(5)),
        )
        yield orders.ConfirmOrder, commands.ConfirmOrderRequest(order_id=order_id)
        yield orders.ShipOrder, commands.ShipOrderRequest(order_id=order_id, tracking_number="T-1")
        yield orders.CancelOrder, commands.CancelOrderRequest(order_id=order_id, reason="lost")

    async def _look_for(self, order_id: str, answer: Any) -> None:
        self._orders[order_id] = answer.version
        await self._look(order_id, answer.consistency_token)

    async def _look(self, order_id: str, token: str) -> None:
        """Asks by all queries at once; each is to show all orders so far as they were left."""
        own, tokens = queries_pb2.OrderFilter(customer_id=self._customer_id), [token]
        get = queries_pb2.GetOrderRequest(order_id=order_id, consistency_tokens=tokens)
        list_ = queries_pb2.ListOrdersRequest(filter=own, consistency_tokens=tokens)
        search = queries_pb2.SearchOrdersRequest(query=self._word, filter=own, limit=1000, consistency_tokens=tokens)
        summarize = queries_pb2.GetCustomerSummaryRequest(customer_id=self._customer_id, consistency_tokens=tokens)
        queries = self._clients.queries
        got, listed, found, summary = await asyncio.gather(
            queries.GetOrder(get),
            _orders(queries.ListOrders(list_)),
            _orders(queries.SearchOrders(search)),
            queries.GetCustomerSummary(summarize),
        )
        self._shows([got.order], {order_id: self._orders[order_id]})
        self._shows(listed, self._orders)
        self._shows(found, self._orders)
        assert summary.summary.order_count == len(self._orders)
        self.seen += 1

    def _shows(self, orders: list[views_pb2.OrderView], wanted: dict[str, int]) -> None:
        assert {each.order_id: each.version for each in orders} == wanted
        assert {each.customer_name for each in orders if each.order_id in self._renamed} <= {self._name}


async def _orders(chunks: Any) -> list[views_pb2.OrderView]:
    return [order async for chunk in chunks for order in chunk.orders]


@pytest.fixture
async def patient(system: System, clients: Clients) -> AsyncIterator[Clients]:
    """The system's services, with a query server that waits long: on a busy machine commands become visible late."""
    commands_at = system.stack.address("command_service")
    async with server(command_service_address=commands_at, consistency_wait_seconds=30) as queries:
        yield replace(clients, queries=queries.queries.stub)


@pytest.mark.long
@pytest.mark.timeout(quick_or_long(180, 1800))
async def test_every_command_is_seen_at_once_by_whoever_has_its_token_also_while_a_rebuild_switches(
    patient: Clients,
) -> None:
    shoppers = [Shopper(patient) for _ in range(_SHOPPERS)]
    rebuilt = 0

    def seen() -> int:
        return sum(each.seen for each in shoppers)

    async def shop(shopper: Shopper) -> None:
        await shopper.register()
        while seen() < _COMMANDS or rebuilt < _REBUILDS:
            await shopper.shop()
        await shopper.shop()  # wholly after the last switch

    async with asyncio.TaskGroup() as shopping:
        for each in shoppers:
            shopping.create_task(shop(each))
        for number in range(_REBUILDS):
            before = await _reached((2 * number + 1) * _COMMANDS // (2 * _REBUILDS), seen)
            await _rebuild(patient)
            assert seen() > before
            rebuilt += 1
    assert seen() >= _COMMANDS


async def _reached(wanted: int, count: Callable[[], int]) -> int:
    """The count, once it is as high as wanted."""

    async def reached() -> int | None:
        return count() if count() >= wanted else None

    return await eventually(reached, within=quick_or_long(60, 900), what=f"{wanted} commands that were seen")


async def _rebuild(clients: Clients) -> None:
    """Makes the orders' index anew and moves readers to it."""
    start = rebuild_pb2.RebuildProjectionRequest(name="orders")
    started = (await clients.projections.RebuildProjection(start)).rebuild
    asked = rebuild_pb2.GetRebuildRequest(name="orders", generation=started.generation)

    async def ended() -> rebuild_pb2.Rebuild | None:
        rebuild = (await clients.projections.GetRebuild(asked)).rebuild
        return rebuild if rebuild.phase in (rebuild_pb2.REBUILD_PHASE_DONE, rebuild_pb2.REBUILD_PHASE_FAILED) else None

    rebuild = await eventually(ended, within=120, what="the end of the rebuild")
    assert rebuild.phase == rebuild_pb2.REBUILD_PHASE_DONE, rebuild
