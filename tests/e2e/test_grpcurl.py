"""Every RPC by hand: grpcurl with server reflection, as the README shows it."""

import json
import subprocess
import uuid
from typing import Any

import pytest

from deploy.local.progress import Progress
from deploy.local.tools import tool
from tests.support.system import System

ADDRESS = {"recipient": "Zoë", "address_lines": ["Street 1"], "postal_code": "1", "locality": "X", "region_code": "DE"}
ITEM = {
    "sku": "TEA-1",
    "product_name": "Green tea",
    "quantity": 5,
    "unit_price": {"currency_code": "EUR", "units": 4, "nanos": 500000000},
}
PAYMENT = {"currency_code": "EUR", "units": 5}


class GrpcUrl:
    """Runs grpcurl against the system; remembers which methods were called."""

    def __init__(self, system: System) -> None:
        self._program = tool("grpcurl", Progress(quiet=True))
        self._system = system
        self.called: set[str] = set()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs it; on an error of the call its status is not 0."""
        return subprocess.run([self._program, "-plaintext", *arguments], capture_output=True, text=True, check=False)

    def call(self, service: str, method: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The responses of a call that is answered."""
        done = self._call(service, method, request)
        assert done.returncode == 0, done.stderr
        return _responses(done.stdout)

    def refused(self, service: str, method: str, request: dict[str, Any], *, seconds: float = 10) -> str:
        """What is printed for a call that is refused, or not over in time."""
        done = self._call(service, method, request, seconds)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def methods(self, name: str) -> set[str]:
        """All methods that a server's reflection lists, our own services only."""
        address = self._system.stack.address(name)
        services = [each for each in self.run(address, "list").stdout.split() if each.startswith("orderflow.")]
        return {method for service in services for method in self.run(address, "list", service).stdout.split()}

    def _call(
        self, service: str, method: str, request: dict[str, Any], seconds: float = 10
    ) -> "subprocess.CompletedProcess[str]":
        self.called.add(f"{service}.{method}")
        address = self._system.stack.address(_served_by(service))
        return self.run("-max-time", str(seconds), "-d", json.dumps(request), address, f"{service}/{method}")


def _served_by(service: str) -> str:
    if service.endswith("ProjectionAdminService"):
        return "projector"
    return "query_service" if service.endswith("QueryService") else "command_service"


def _responses(text: str) -> list[dict[str, Any]]:
    decoder, found, position = json.JSONDecoder(), [], 0
    text = text.strip()
    while position < len(text):
        message, end = decoder.raw_decode(text, position)
        found.append(message)
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return found


@pytest.fixture(scope="module")
def grpcurl(system: System) -> GrpcUrl:
    """grpcurl, installed by the same code as in `make run`."""
    return GrpcUrl(system)


def test_every_rpc_can_be_called_by_hand(grpcurl: GrpcUrl) -> None:
    orders, customers = "orderflow.orders.v1.OrderCommandService", "orderflow.customers.v1.CustomerService"
    queries, log = "orderflow.orders.v1.OrderQueryService", "orderflow.events.v1.EventLogService"
    [customer] = grpcurl.call(customers, "RegisterCustomer", {"name": "Zoë", "email": "zoe@example.com"})
    who = {"customer_id": customer["customer_id"]}
    grpcurl.call(customers, "UpdateCustomer", {**who, "name": "Zoë M."})
    assert grpcurl.call(customers, "GetCustomer", who)[0]["customer"]["name"] == "Zoë M."
    assert (
        len(grpcurl.call(customers, "BatchGetCustomers", {"customer_ids": [who["customer_id"]]})[0]["customers"]) == 1
    )
    create = {**who, "request_id": str(uuid.uuid4()), "items": [ITEM], "shipping_address": ADDRESS}
    [created] = grpcurl.call(orders, "CreateOrder", create)
    assert grpcurl.call(orders, "CreateOrder", create) == [created]
    order = {"order_id": created["order_id"]}
    grpcurl.call(orders, "AddItem", {**order, "item": ITEM})
    grpcurl.call(orders, "RemoveItem", {**order, "sku": "TEA-1", "quantity": 5})
    grpcurl.call(orders, "RecordPayment", {**order, "payment_reference": "P1", "amount": PAYMENT})
    grpcurl.call(orders, "RecordRefund", {**order, "refund_reference": "R1", "amount": PAYMENT})
    grpcurl.call(orders, "ConfirmOrder", order)
    grpcurl.call(orders, "ShipOrder", {**order, "tracking_number": "T1"})
    [delivered] = grpcurl.call(orders, "DeliverOrder", order)
    assert "CANNOT_CANCEL_DELIVERED_ORDER" in grpcurl.refused(orders, "CancelOrder", {**order, "reason": "late"})
    token = {"consistency_tokens": [delivered["consistency_token"]]}
    assert grpcurl.call(queries, "GetOrder", {**order, **token})[0]["order"]["status"] == "ORDER_STATUS_DELIVERED"
    listed = grpcurl.call(queries, "ListOrders", {"filter": who, **token})
    assert [each["order_id"] for chunk in listed for each in chunk.get("orders", [])] == [order["order_id"]]
    found = grpcurl.call(queries, "SearchOrders", {"query": "GREEN zoe", "filter": who, **token})
    assert [each["order_id"] for chunk in found for each in chunk.get("orders", [])] == [order["order_id"]]
    history = grpcurl.call(queries, "GetOrderHistory", order)
    assert sum(len(chunk["events"]) for chunk in history) == 8
    _call_the_stock(grpcurl, order["order_id"])
    assert grpcurl.call(log, "ReadLog", {"after_position": 0, "aggregate_types": ["order"]})
    assert grpcurl.call(log, "ReadAggregate", {"aggregate_type": "order", "aggregate_id": order["order_id"]})
    assert grpcurl.call("orderflow.admin.v1.RelayAdminService", "GetRelayStatus", {})[0]["shards"]
    assert grpcurl.call("orderflow.admin.v1.ProjectionAdminService", "ListProjections", {})[0]["projections"]
    _call_rebuilds(grpcurl)
    _call_the_quarantine(grpcurl)
    [figures] = grpcurl.call(queries, "GetCustomerSummary", {**who, **token})
    assert figures["summary"]["order_count"] == "1"
    assert grpcurl.call(queries, "ListCustomerSummaries", {"filter": who, **token})[0]["summaries"]
    assert "DeadlineExceeded" in grpcurl.refused(queries, "WatchOrders", {"filter": who}, seconds=2)
    assert grpcurl.call(customers, "EraseCustomer", who)[0]["version"]
    fulfillments = "orderflow.fulfillment.v1.FulfillmentQueryService"
    assert "ORDER_NOT_FOUND" in grpcurl.refused(fulfillments, "GetFulfillment", order)  # nobody moves it on by itself
    assert grpcurl.call("orderflow.customers.v1.PersonalDataService", "OpenPersonalData", {}) == [{}]
    checks = {"PersonalDataAdminService": "CheckLogErasure", "ProjectionAdminService": "CheckReadModelErasure"}
    for admin, check in checks.items():
        assert grpcurl.call(f"orderflow.admin.v1.{admin}", check, who)[0]["findings"]
    served = grpcurl.methods("command_service") | grpcurl.methods("query_service") | grpcurl.methods("projector")
    assert grpcurl.called == served


def _call_the_stock(grpcurl: GrpcUrl, order_id: str) -> None:
    stock, item = "orderflow.inventory.v1.InventoryCommandService", {"sku": f"TEA-{uuid.uuid4()}"}
    held = {**item, "order_id": order_id}
    assert grpcurl.call(stock, "UpdateInventory", {**item, "set": 3})[0]["available"] == "3"
    assert grpcurl.call(stock, "ReserveStock", {**held, "quantity": 2})[0]["reserved"] == "2"
    too_many = {**held, "order_id": str(uuid.uuid4()), "quantity": 2}
    assert "INSUFFICIENT_STOCK" in grpcurl.refused(stock, "ReserveStock", too_many)
    [committed] = grpcurl.call(stock, "CommitStock", held)
    assert committed["on_hand"] == "1"
    queries, token = "orderflow.inventory.v1.InventoryQueryService", committed["consistency_token"]
    [shown] = grpcurl.call(queries, "GetStockItem", {**item, "consistency_tokens": [token]})
    [listed] = grpcurl.call(
        queries, "ListStockItems", {"filter": {"sku_prefix": item["sku"]}, "consistency_tokens": [token]}
    )
    assert listed["stock_items"] == [shown["stock_item"]]
    assert shown["stock_item"]["available"] == "1"
    assert "NOT_ALLOWED_IN_STATUS" in grpcurl.refused(stock, "ReleaseStock", held)


def _call_rebuilds(grpcurl: GrpcUrl) -> None:
    admin, unknown = "orderflow.admin.v1.ProjectionAdminService", {"name": "unknown"}
    assert "PROJECTION_NOT_FOUND" in grpcurl.refused(admin, "RebuildProjection", unknown)
    assert "PROJECTION_NOT_FOUND" in grpcurl.refused(admin, "RollbackProjection", unknown)
    assert "GENERATION_NOT_FOUND" in grpcurl.refused(admin, "GetRebuild", {"name": "orders", "generation": 99})


def _call_the_quarantine(grpcurl: GrpcUrl) -> None:
    admin, entry = "orderflow.admin.v1.ProjectionAdminService", {"id": f"order/{uuid.uuid4()}"}
    assert grpcurl.call(admin, "ListQuarantine", {}) == []
    assert "QUARANTINE_ENTRY_NOT_FOUND" in grpcurl.refused(admin, "GetQuarantined", entry)
    assert "QUARANTINE_ENTRY_NOT_FOUND" in grpcurl.refused(admin, "ReplayQuarantined", entry)
    skip = {**entry, "version": 1, "actor": "Ada", "reason": "a test"}
    assert "QUARANTINE_ENTRY_NOT_FOUND" in grpcurl.refused(admin, "SkipQuarantined", skip)


def test_reflection_describes_messages(grpcurl: GrpcUrl, system: System) -> None:
    address = system.stack.address("command_service")
    described = grpcurl.run(address, "describe", "orderflow.orders.v1.CreateOrderRequest").stdout
    assert "string request_id" in described


@pytest.mark.parametrize("name", ["command_service", "query_service", "projector"])
def test_every_server_answers_health_checks(grpcurl: GrpcUrl, system: System, name: str) -> None:
    answer = grpcurl.run(system.stack.address(name), "grpc.health.v1.Health/Check").stdout
    assert json.loads(answer) == {"status": "SERVING"}


def test_every_wrong_field_is_named_and_nothing_is_stored(grpcurl: GrpcUrl) -> None:
    orders = "orderflow.orders.v1.OrderCommandService"
    order_id = str(uuid.uuid4())
    wrong = {
        "order_id": order_id,
        "customer_id": "nobody",
        "items": [{**ITEM, "quantity": 0}],
        "shipping_address": {**ADDRESS, "region_code": "Germany"},
    }
    said = grpcurl.refused(orders, "CreateOrder", wrong)
    for expected in ("InvalidArgument", "INVALID_FIELD", "customer_id", "items[0].quantity", "region_code"):
        assert expected in said
    events = grpcurl.call(
        "orderflow.events.v1.EventLogService", "ReadAggregate", {"aggregate_type": "order", "aggregate_id": order_id}
    )
    assert events == [{}]
