"""Every RPC by hand: grpcurl with server reflection, as the README shows it."""

import asyncio
import base64
import json
import os
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from orderflow.orders.v1.events_pb2 import OrderCreated
from tests.support.eventually import eventually
from tests.support.grpcurl import GrpcUrl
from tests.support.grpcurl_page import PAGE, WRITE, page, skeleton
from tests.support.system import SERVICES, System

ORDERS, QUERIES = "orderflow.orders.v1.OrderCommandService", "orderflow.orders.v1.OrderQueryService"
CUSTOMERS, ADMIN = "orderflow.customers.v1.CustomerService", "orderflow.admin.v1"
EVERY_FIELD = ("-emit-defaults",)
AUTOMATIC = {"fulfillment_mode": "FULFILLMENT_MODE_AUTOMATIC"}

ADDRESS = {"recipient": "Zoë", "address_lines": ["Street 1"], "postal_code": "1", "locality": "X", "region_code": "DE"}
ITEM = {
    "sku": "TEA-1",
    "product_name": "Green tea",
    "quantity": 5,
    "unit_price": {"currency_code": "EUR", "units": 4, "nanos": 500000000},
}
PAYMENT = {"currency_code": "EUR", "units": 5}


@pytest.fixture(scope="module")
def grpcurl(system: System) -> GrpcUrl:
    """grpcurl, installed by the same code as in `make run`."""
    return GrpcUrl(system)


@dataclass
class Journey:
    """What was called, and which values have names on the page, which shows nothing of what is called `aside`."""

    grpcurl: GrpcUrl
    aside: GrpcUrl
    names: dict[str, str] = field(default_factory=dict)

    def name(self, value: str, name: str) -> str:
        """The value, which the page shows as this name."""
        self.names[value] = name
        return value

    def token(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What a query is given to see the command with this answer."""
        return {"consistency_tokens": [self.name(answer["consistency_token"], "CONSISTENCY_TOKEN")]}


@pytest.fixture(scope="module")
def journey(system: System) -> Journey:
    """Every RPC, called by hand once at least."""
    journey = Journey(GrpcUrl(system), aside=GrpcUrl(system))
    _play(journey)
    return journey


def test_every_rpc_can_be_called_by_hand(journey: Journey) -> None:
    called = {f"{call.service}.{call.method}" for call in journey.grpcurl.calls}
    assert called == set().union(*(journey.grpcurl.methods(name) for name in SERVICES))


def test_the_page_shows_what_is_sent_and_answered(journey: Journey) -> None:
    made = page(journey.grpcurl.calls, journey.names)
    if os.environ.get("ORDERFLOW_WRITE_PAGES"):
        PAGE.write_text(made)
    assert skeleton(PAGE.read_text()) == skeleton(made), f"the page is not true any more: {WRITE}"


def _play(journey: Journey) -> None:
    grpcurl = journey.grpcurl
    [customer] = grpcurl.call(CUSTOMERS, "RegisterCustomer", {"name": "Zoë", "email": "zoe@example.com"})
    who = {"customer_id": journey.name(customer["customer_id"], "CUSTOMER_ID")}
    grpcurl.call(CUSTOMERS, "UpdateCustomer", {**who, "name": "Zoë M."})
    assert grpcurl.call(CUSTOMERS, "GetCustomer", who)[0]["customer"]["name"] == "Zoë M."
    [many] = grpcurl.call(CUSTOMERS, "BatchGetCustomers", {"customer_ids": [who["customer_id"]]})
    assert len(many["customers"]) == 1
    stranger = {"customer_id": journey.name(str(uuid.uuid4()), "UNKNOWN_ID")}
    assert "CUSTOMER_NOT_FOUND" in grpcurl.refused(CUSTOMERS, "GetCustomer", stranger)
    order, token = _call_the_order(journey, who)
    _call_the_queries(journey, who, order, token)
    _call_the_fulfillment(journey, who, order, _call_the_stock(journey, order))
    _call_the_log(journey, order)
    assert grpcurl.call(f"{ADMIN}.RelayAdminService", "GetRelayStatus", {}, *EVERY_FIELD)[0]["shards"]
    [listed] = grpcurl.call(f"{ADMIN}.ProjectionAdminService", "ListProjections", {}, *EVERY_FIELD)
    assert listed["projections"]
    _call_rebuilds(grpcurl)
    _call_the_quarantine(journey)
    assert grpcurl.call(CUSTOMERS, "EraseCustomer", who)[0]["version"]
    checks = {"PersonalDataAdminService": "CheckLogErasure", "ProjectionAdminService": "CheckReadModelErasure"}
    for admin, check in checks.items():
        assert grpcurl.call(f"{ADMIN}.{admin}", check, who, *EVERY_FIELD)[0]["findings"]


def _call_the_order(journey: Journey, who: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The order, delivered, and what a query is given to see that."""
    grpcurl, request_id = journey.grpcurl, journey.name(str(uuid.uuid4()), "REQUEST_ID")
    create = {**who, "request_id": request_id, "items": [ITEM], "shipping_address": ADDRESS}
    [created] = grpcurl.call(ORDERS, "CreateOrder", create)
    assert grpcurl.call(ORDERS, "CreateOrder", create) == [created]
    other = {**create, "items": [{**ITEM, "quantity": 0}]}
    assert "INVALID_FIELD" in grpcurl.refused(ORDERS, "CreateOrder", other)
    other = {**create, "items": [{**ITEM, "quantity": 6}]}
    assert "REQUEST_ID_REUSED" in grpcurl.refused(ORDERS, "CreateOrder", other)
    order = {"order_id": journey.name(created["order_id"], "ORDER_ID")}
    grpcurl.call(ORDERS, "AddItem", {**order, "item": ITEM})
    grpcurl.call(ORDERS, "RemoveItem", {**order, "sku": "TEA-1", "quantity": 5})
    grpcurl.call(ORDERS, "RecordPayment", {**order, "payment_reference": "P1", "amount": PAYMENT})
    grpcurl.call(ORDERS, "RecordRefund", {**order, "refund_reference": "R1", "amount": PAYMENT})
    grpcurl.call(ORDERS, "ConfirmOrder", order)
    grpcurl.call(ORDERS, "ShipOrder", {**order, "tracking_number": "T1"})
    [delivered] = grpcurl.call(ORDERS, "DeliverOrder", order)
    assert "CANNOT_CANCEL_DELIVERED_ORDER" in grpcurl.refused(ORDERS, "CancelOrder", {**order, "reason": "late"})
    return order, journey.token(delivered)


def _call_the_queries(journey: Journey, who: dict[str, Any], order: dict[str, Any], token: dict[str, Any]) -> None:
    grpcurl = journey.grpcurl
    assert grpcurl.call(QUERIES, "GetOrder", {**order, **token})[0]["order"]["status"] == "ORDER_STATUS_DELIVERED"
    unknown = {"order_id": journey.name(str(uuid.uuid4()), "UNKNOWN_ID")}
    assert "ORDER_NOT_FOUND" in grpcurl.refused(QUERIES, "GetOrder", unknown)
    listed = grpcurl.call(QUERIES, "ListOrders", {"filter": who, **token})
    assert [each["order_id"] for chunk in listed for each in chunk.get("orders", [])] == [order["order_id"]]
    found = grpcurl.call(QUERIES, "SearchOrders", {"query": "GREEN zoe", "filter": who, **token})
    assert [each["order_id"] for chunk in found for each in chunk.get("orders", [])] == [order["order_id"]]
    history = grpcurl.call(QUERIES, "GetOrderHistory", order)
    assert sum(len(chunk["events"]) for chunk in history) == 8
    [figures] = grpcurl.call(QUERIES, "GetCustomerSummary", {**who, **token})
    assert figures["summary"]["order_count"] == "1"
    assert grpcurl.call(QUERIES, "ListCustomerSummaries", {"filter": who, **token})[0]["summaries"]
    assert "DeadlineExceeded" in grpcurl.refused(QUERIES, "WatchOrders", {"filter": who}, "-max-time", "10")
    assert order["order_id"] in str(grpcurl.calls[-1].responses)


def _call_the_stock(journey: Journey, order: dict[str, Any]) -> str:
    """The SKU of which one is left."""
    grpcurl, stock = journey.grpcurl, "orderflow.inventory.v1.InventoryCommandService"
    item = {"sku": journey.name(f"TEA-{uuid.uuid4()}", "SKU")}
    held, other = {**item, **order}, {**item, "order_id": journey.name(str(uuid.uuid4()), "OTHER_ORDER_ID")}
    assert grpcurl.call(stock, "UpdateInventory", {**item, "set": 3})[0]["available"] == "3"
    assert grpcurl.call(stock, "ReserveStock", {**held, "quantity": 2})[0]["reserved"] == "2"
    assert "INSUFFICIENT_STOCK" in grpcurl.refused(stock, "ReserveStock", {**other, "quantity": 2})
    grpcurl.call(stock, "ReserveStock", {**other, "quantity": 1})
    assert grpcurl.call(stock, "ReleaseStock", other)[0]["available"] == "1"
    [committed] = grpcurl.call(stock, "CommitStock", held)
    assert committed["on_hand"] == "1"
    queries, token = "orderflow.inventory.v1.InventoryQueryService", journey.token(committed)
    [shown] = grpcurl.call(queries, "GetStockItem", {**item, **token})
    [listed] = grpcurl.call(queries, "ListStockItems", {"filter": {"sku_prefix": item["sku"]}, **token})
    assert listed["stock_items"] == [shown["stock_item"]]
    assert shown["stock_item"]["available"] == "1"
    assert "NOT_ALLOWED_IN_STATUS" in grpcurl.refused(stock, "ReleaseStock", held)
    return item["sku"]


def _call_the_fulfillment(journey: Journey, who: dict[str, Any], manual: dict[str, Any], sku: str) -> None:
    grpcurl, queries = journey.grpcurl, "orderflow.fulfillment.v1.FulfillmentQueryService"
    one = {**ITEM, "sku": sku, "quantity": 1, "unit_price": {"currency_code": "EUR", "units": 10}}
    create = {**who, **AUTOMATIC, "items": [one], "shipping_address": ADDRESS}
    order = {"order_id": journey.name(journey.aside.call(ORDERS, "CreateOrder", create)[0]["order_id"], "AUTOMATIC_ID")}

    async def reserved() -> bool:
        [seen] = journey.aside.call(queries, "GetFulfillment", order)
        return bool(seen["step"] == "FULFILLMENT_STEP_AWAITING_PAYMENT")

    asyncio.run(eventually(reserved, what="the reservation"))
    assert grpcurl.call(queries, "GetFulfillment", order)[0]["reservations"]
    assert "ORDER_NOT_FOUND" in grpcurl.refused(queries, "GetFulfillment", manual)  # nobody moves it on by itself


def _call_the_log(journey: Journey, order: dict[str, Any]) -> None:
    grpcurl, log = journey.grpcurl, "orderflow.events.v1.EventLogService"
    assert grpcurl.call(log, "ReadLog", {"after_position": 0, "aggregate_types": ["order"]}, *EVERY_FIELD)
    [read, *_] = grpcurl.call(log, "ReadAggregate", {"aggregate_type": "order", "aggregate_id": order["order_id"]})
    [created, *_] = read["events"]
    private = OrderCreated.FromString(base64.b64decode(created["event_data"])).personal_data
    sealed = {
        "key_id": journey.name(private.key_id, "KEY_ID"),
        "aggregate_id": order["order_id"],
        "event_type": created["event_type"],
        "sealed": journey.name(base64.b64encode(private.sealed).decode(), "SEALED"),
    }
    [opened] = grpcurl.call("orderflow.customers.v1.PersonalDataService", "OpenPersonalData", {"items": [sealed]})
    assert opened["items"][0]["state"] == "PERSONAL_DATA_STATE_OPENED"


def _call_rebuilds(grpcurl: GrpcUrl) -> None:
    admin, unknown = f"{ADMIN}.ProjectionAdminService", {"name": "unknown"}
    assert "PROJECTION_NOT_FOUND" in grpcurl.refused(admin, "RebuildProjection", unknown)
    assert "PROJECTION_NOT_FOUND" in grpcurl.refused(admin, "RollbackProjection", unknown)
    assert "GENERATION_NOT_FOUND" in grpcurl.refused(admin, "GetRebuild", {"name": "orders", "generation": 99})


def _call_the_quarantine(journey: Journey) -> None:
    grpcurl, admin = journey.grpcurl, f"{ADMIN}.ProjectionAdminService"
    entry = {"id": f"order/{uuid.uuid4()}"}
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
