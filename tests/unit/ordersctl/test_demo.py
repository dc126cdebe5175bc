from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.type.money_pb2 import Money

from command_service.errors import CannotCancelDeliveredOrder, OrderNotFound, StoreUnavailable
from orderflow.customers.v1.commands_pb2 import RegisterCustomerRequest, RegisterCustomerResponse
from orderflow.fulfillment.v1.fulfillment_pb2 import (
    FULFILLMENT_STEP_AWAITING_PAYMENT,
    FULFILLMENT_STEP_AWAITING_SHIPMENT,
    FULFILLMENT_STEP_CANCELLED,
)
from orderflow.fulfillment.v1.queries_pb2 import GetFulfillmentRequest, GetFulfillmentResponse
from orderflow.orders.v1 import commands_pb2, order_pb2, queries_pb2
from orderflow.orders.v1.views_pb2 import OrderView
from ordersctl import by_hand
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

_STATUS_AFTER = {
    "RecordPayment": order_pb2.ORDER_STATUS_PENDING,
    "ConfirmOrder": order_pb2.ORDER_STATUS_CONFIRMED,
    "ShipOrder": order_pb2.ORDER_STATUS_SHIPPED,
    "DeliverOrder": order_pb2.ORDER_STATUS_DELIVERED,
    "CancelOrder": order_pb2.ORDER_STATUS_CANCELLED,
}


class OrderSystem:
    """As much of the system as the demo meets, in memory and at once."""

    def __init__(self, services: Services) -> None:
        self.orders: dict[str, OrderView] = {}
        self.asked: Counter[str] = Counter()
        self.payment_time = timedelta(seconds=10)
        self.name = ""
        services.answer("RegisterCustomer", self.register)
        services.answer("CreateOrder", self.create)
        for method in _STATUS_AFTER:
            services.answer(method, self.change)
        services.answer("GetOrder", lambda asked: queries_pb2.GetOrderResponse(order=self.orders[asked.order_id]))
        services.answer("ListOrders", self.list)
        services.answer("SearchOrders", self.search)
        services.answer("GetFulfillment", self.fulfillment)

    def register(self, request: RegisterCustomerRequest) -> Message:
        """Takes the name."""
        self.name = request.name
        return RegisterCustomerResponse(customer_id="customer-1", version=1)

    def create(self, request: commands_pb2.CreateOrderRequest) -> Message:
        """Keeps the order, with its total."""
        cents = sum(
            item.quantity * (item.unit_price.units * 100 + item.unit_price.nanos // 10**7) for item in request.items
        )
        total = Money(currency_code="EUR", units=cents // 100, nanos=cents % 100 * 10**7)
        view = OrderView(
            order_id=f"order-{len(self.orders) + 1}",
            customer_id=request.customer_id,
            customer_name=self.name,
            items=request.items,
            total_amount=total,
            status=order_pb2.ORDER_STATUS_PENDING,
            version=1,
        )
        self.orders[view.order_id] = view
        return commands_pb2.CreateOrderResponse(
            order_id=view.order_id, version=1, status=view.status, total_amount=total
        )

    def change(self, request: Any) -> Message:
        """Moves the order on; a delivered one cannot be cancelled."""
        name = type(request).__name__.removesuffix("Request")
        view = self.orders[request.order_id]
        if name == "CancelOrder" and view.status == order_pb2.ORDER_STATUS_DELIVERED:
            raise CannotCancelDeliveredOrder("too late", subject="order/1", metadata={"current_status": "DELIVERED"})
        view.status = _STATUS_AFTER[name]
        view.version += 1
        answer: Message = getattr(commands_pb2, f"{name}Response")(
            order_id=view.order_id, version=view.version, status=view.status, total_amount=view.total_amount
        )
        return answer

    def fulfillment(self, request: GetFulfillmentRequest) -> Message:
        """As it begins, then waits; cancelled without a samovar, or when it was waited for a second time."""
        view = self.orders[request.order_id]
        self.asked[view.order_id] += 1
        answer = GetFulfillmentResponse(order_id=view.order_id, step=FULFILLMENT_STEP_AWAITING_PAYMENT)
        if self.asked[view.order_id] == 1:
            raise OrderNotFound("it has not begun")
        if any(each.product_name == "Samovar" for each in view.items):
            answer.step, answer.cancel_reason = FULFILLMENT_STEP_CANCELLED, "no samovar"
        elif view.version > 1:
            answer.step = FULFILLMENT_STEP_AWAITING_SHIPMENT
        elif view.items[0].product_name == "Tray" and self.asked[view.order_id] > 2:
            answer.step, answer.cancel_reason = FULFILLMENT_STEP_CANCELLED, "nobody paid"
        else:
            answer.next_deadline_time.FromDatetime(datetime.now(UTC) + self.payment_time)
        return answer

    def list(self, _: queries_pb2.ListOrdersRequest) -> Iterator[queries_pb2.ListOrdersResponse]:
        """Newest first, one a chunk."""
        for view in [each for each in reversed(self.orders.values()) if each.customer_id == "customer-1"]:
            yield queries_pb2.ListOrdersResponse(orders=[view])

    def search(self, _: queries_pb2.SearchOrdersRequest) -> Iterator[queries_pb2.SearchOrdersResponse]:
        """Finds the first."""
        yield queries_pb2.SearchOrdersResponse(orders=[self.orders["order-2"]], total=1)


def test_the_demo_shows_the_whole_journey_and_how_to_go_on(services: Services, run: Run) -> None:
    OrderSystem(services)
    result = run("demo", "--grpcurl", "/cache/grpcurl")
    assert result.exit_code == 0, result.output
    for part in (
        *("RegisterCustomer", "CreateOrder", "RecordPayment", "ConfirmOrder", "ShipOrder", "DeliverOrder"),
        *("refused: CANNOT_CANCEL_DELIVERED_ORDER", "readable by id in", "searchable in", "88.48 EUR"),
        f'/cache/grpcurl -plaintext -d \'{{"order_id": "order-2"}}\' {services.address}',
        *("and confirmed by itself", "cancelled: no samovar", "cancelled: nobody paid"),
        "everything was as expected",
    ):
        assert part in result.stdout
    assert "✗" not in result.stdout
    assert result.stderr == ""


def test_a_deadline_that_is_far_away_is_not_waited_for(services: Services, run: Run) -> None:
    OrderSystem(services).payment_time = timedelta(hours=1)
    result = run("demo")
    assert result.exit_code == 0, result.output
    assert "will be cancelled at" in result.stdout


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        (".venv/bin/ordersctl", ".venv/bin/ordersctl"),
        ("/work/tree/.venv/bin/ordersctl", ".venv/bin/ordersctl"),
        ("/usr/bin/ordersctl", "/usr/bin/ordersctl"),
    ],
)
def test_the_lines_by_hand_call_ordersctl_as_it_was_called(program: str, shown: str) -> None:
    assert by_hand.started_as(program, Path("/work/tree")) == shown


def test_the_demo_fails_where_something_is_not_as_expected(services: Services, run: Run) -> None:
    OrderSystem(services)
    services.answer("SearchOrders", [])
    services.answer("CancelOrder", commands_pb2.CancelOrderResponse())
    result = run("demo")
    assert result.exit_code == 4
    for part in ("not as expected: orders found: [], not ['order-2']", "cancelling the delivered order: accepted"):
        assert part in result.stdout


def test_the_demo_ends_with_the_error_of_a_call(services: Services, run: Run) -> None:
    OrderSystem(services)
    services.refuse("ShipOrder", StoreUnavailable("the event store is away"))
    result = run("--table", "demo")
    assert result.exit_code == 3
    assert "STORE_UNAVAILABLE" in result.stderr


@pytest.mark.parametrize("arguments", [("--json", "demo"), ("demo", "--json")])
def test_the_demo_speaks_to_people_only(services: Services, run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    assert services.requests == []
