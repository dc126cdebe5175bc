"""The canary's rounds against services in memory."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from command_service.errors import AlreadyCancelled, OrderAlreadyExists, OrderNotFound, StoreUnavailable
from orderflow.orders.v1 import commands_pb2, queries_pb2
from orderflow.orders.v1.order_pb2 import OrderItem
from orderflow.orders.v1.views_pb2 import OrderView
from ordersctl.canary import CUSTOMER_ID, Canary
from ordersctl.client import Addresses, Client
from ordersctl.errors import CallFailed
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

_DAY = date(2026, 3, 1)
_WAIT = 20


class Shop:
    """Orders in memory."""

    def __init__(self, services: Services) -> None:
        self.orders: dict[str, OrderView] = {}
        self.cancelled: list[str] = []
        services.answer("CreateOrder", self.create)
        services.answer("AddItem", self.add)
        services.answer("RemoveItem", self.remove)
        services.answer("CancelOrder", self.cancel)
        services.answer("GetOrder", lambda asked: queries_pb2.GetOrderResponse(order=self.orders[asked.order_id]))
        services.answer("SearchOrders", self.search)

    @property
    def order(self) -> OrderView:
        """The only one."""
        (order,) = self.orders.values()
        return order

    def create(self, request: commands_pb2.CreateOrderRequest) -> Message:
        """Keeps it."""
        if request.order_id in self.orders:
            raise OrderAlreadyExists("it is there")
        self.orders[request.order_id] = OrderView(order_id=request.order_id, items=request.items)
        return commands_pb2.CreateOrderResponse(order_id=request.order_id, version=1)

    def add(self, request: commands_pb2.AddItemRequest) -> Message:
        """Adds a line."""
        self.orders[request.order_id].items.append(request.item)
        return commands_pb2.AddItemResponse(order_id=request.order_id, consistency_token="T")

    def remove(self, request: commands_pb2.RemoveItemRequest) -> Message:
        """Removes the line."""
        items = self.orders[request.order_id].items
        items.remove(next(each for each in items if each.sku == request.sku))
        return commands_pb2.RemoveItemResponse(order_id=request.order_id)

    def cancel(self, request: commands_pb2.CancelOrderRequest) -> Message:
        """Cancels, once."""
        if request.order_id not in self.orders:
            raise OrderNotFound("it is not there")
        if request.order_id in self.cancelled:
            raise AlreadyCancelled("it is cancelled", subject="order/1")
        self.cancelled.append(request.order_id)
        return commands_pb2.CancelOrderResponse(order_id=request.order_id)

    def search(self, request: queries_pb2.SearchOrdersRequest) -> Iterator[queries_pb2.SearchOrdersResponse]:
        """Finds by SKU."""
        found = [view for view in self.orders.values() if any(item.sku == request.query for item in view.items)]
        yield queries_pb2.SearchOrdersResponse(orders=found)


@pytest.fixture
def shop(services: Services) -> Shop:
    return Shop(services)


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


def _rounds(
    services: Services, reader: InMemoryMetricReader, *days: date, limit: float = 30
) -> list[tuple[float, float] | CallFailed]:
    """What came of one canary's rounds on these days."""

    async def make() -> list[tuple[float, float] | CallFailed]:
        made: list[tuple[float, float] | CallFailed] = []
        at = iter(days)
        meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
        async with Client(Addresses(services.address, services.address, services.address), timeout=5) as client:
            canary = Canary(client, meter, name="test", limit=limit, today=lambda: next(at))
            for _ in days:
                try:
                    made.append(await canary.round())
                except CallFailed as failed:
                    made.append(failed)
        return made

    return asyncio.run(make())


def _points(reader: InMemoryMetricReader, name: str) -> dict[str, Any]:
    """A metric's points by their only attribute."""
    data = reader.get_metrics_data()
    metrics = [
        metric
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
    ]
    return {
        str(next(iter((point.attributes or {}).values()))): point for each in metrics for point in each.data.data_points
    }


def test_a_round_leaves_the_days_order_as_it_was(services: Services, shop: Shop, reader: InMemoryMetricReader) -> None:
    assert all(isinstance(each, tuple) for each in _rounds(services, reader, _DAY, _DAY, _DAY))
    (order,) = shop.orders.values()
    assert [each.sku for each in order.items] == ["CANARY"]
    creations = [each for each in services.requests if isinstance(each, commands_pb2.CreateOrderRequest)]
    assert [each.customer_id for each in creations] == [CUSTOMER_ID]
    searches = [each for each in services.requests if isinstance(each, queries_pb2.SearchOrdersRequest)]
    assert {each.filter.customer_id for each in searches} == {CUSTOMER_ID}
    assert len({each.query for each in searches}) == 3
    delays = _points(reader, "orderflow.canary.delay")
    assert {path: point.count for path, point in delays.items()} == {"get": 3, "search": 3}
    assert _points(reader, "orderflow.canary.failures") == {}


def test_each_day_has_an_order_of_its_own_and_the_one_before_is_cancelled(
    services: Services, shop: Shop, reader: InMemoryMetricReader
) -> None:
    next_day = date(2026, 3, 2)
    assert all(isinstance(each, tuple) for each in _rounds(services, reader, _DAY, next_day, next_day))
    first, second = shop.orders
    assert shop.cancelled == [first]
    assert all(isinstance(each, tuple) for each in _rounds(services, InMemoryMetricReader(), next_day))
    assert list(shop.orders) == [first, second]
    assert shop.cancelled == [first]


@pytest.mark.parametrize(
    ("method", "step"),
    [("AddItem", "command"), ("RemoveItem", "command"), ("GetOrder", "get"), ("SearchOrders", "search")],
)
def test_a_step_that_fails_is_counted(
    services: Services, shop: Shop, reader: InMemoryMetricReader, method: str, step: str
) -> None:
    services.refuse(method, StoreUnavailable("away"))
    (failed,) = _rounds(services, reader, _DAY)
    assert isinstance(failed, CallFailed)
    assert failed.failure.reason == "STORE_UNAVAILABLE"
    assert {name: point.value for name, point in _points(reader, "orderflow.canary.failures").items()} == {step: 1}
    if method in {"GetOrder", "SearchOrders"}:
        assert [len(order.items) for order in shop.orders.values()] == [1]


@pytest.mark.parametrize(("method", "step"), [("GetOrder", "get"), ("SearchOrders", "search")])
def test_a_change_that_is_seen_too_late_is_a_failure(
    services: Services, shop: Shop, reader: InMemoryMetricReader, method: str, step: str
) -> None:
    def late(request: Any) -> Any:
        time.sleep(1.2)
        return shop.search(request) if method == "SearchOrders" else queries_pb2.GetOrderResponse(order=shop.order)

    services.answer(method, late)
    (failed,) = _rounds(services, reader, _DAY, limit=1)
    assert isinstance(failed, CallFailed)
    assert "has 1 s for it" in failed.failure.message
    assert failed.failure.exit_code == 3
    assert _points(reader, "orderflow.canary.failures")[step].value == 1
    assert _points(reader, "orderflow.canary.delay")[step].sum > 1


def test_answers_that_are_wrong_are_failures(
    services: Services,
    shop: Shop,  # noqa: ARG001
    reader: InMemoryMetricReader,
) -> None:
    services.answer("GetOrder", queries_pb2.GetOrderResponse(order=OrderView(items=[OrderItem(sku="CANARY")])))
    services.answer("SearchOrders", [queries_pb2.SearchOrdersResponse()])
    (failed,) = _rounds(services, reader, _DAY)
    assert isinstance(failed, CallFailed)
    failures = _points(reader, "orderflow.canary.failures")
    assert {name: point.value for name, point in failures.items()} == {"get": 1, "search": 1}
    assert _points(reader, "orderflow.canary.delay") == {}


def test_one_round_answers_with_its_times_or_fails_as_its_call_did(services: Services, shop: Shop, run: Run) -> None:  # noqa: ARG001
    result = run("canary")
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) == {"readable_seconds", "searchable_seconds"}
    assert "searchable in" in run("--table", "canary").stdout
    services.refuse("AddItem", StoreUnavailable("away"))
    assert run("canary").exit_code == 3


def test_a_canary_goes_on_whatever_fails_until_it_is_told_to_stop(services: Services, shop: Shop) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ORDERFLOW_CANARY_EVERY": "1"}
    addresses = [f"--{each}-address={services.address}" for each in ("command", "query")]
    command = [sys.executable, "-m", "ordersctl", *addresses, "canary"]
    services.refuse("AddItem", StoreUnavailable("away"))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr
            assert process.stdout
            assert "STORE_UNAVAILABLE" in process.stderr.readline()
            services.answer("AddItem", shop.add)
            while not (line := process.stdout.readline()):
                pass
            assert "searchable_seconds" in line
            process.send_signal(signal.SIGTERM)
            assert process.wait(_WAIT) == 0
        finally:
            process.kill()
