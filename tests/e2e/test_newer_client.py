"""Requests of a client that knows more than the servers: unknown fields do no harm, unknown enum values are refused."""

import uuid
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory

from orderflow_client.errors import InvalidRequest, error_of
from tests.support.contracts import services
from tests.support.system import System

METHODS = {f"{service.name}/{method.name}": method for service in services() for method in service.methods}
UNKNOWN = bytes.fromhex("c8ce0307d2ce0303414243")
"""Fields 7401 (7) and 7402 ("ABC"), which no contract has."""
ITEM = {"sku": "TEA-1", "product_name": "Tea", "quantity": 5, "unit_price": {"currency_code": "EUR", "units": 4}}
ADDRESS = {"recipient": "Zoë", "address_lines": ["Street 1"], "locality": "Berlin", "region_code": "DE"}


class NewerClient:
    """Adds unknown fields to every request."""

    def __init__(self, system: System) -> None:
        self._system = system

    def call(self, name: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The answer, or the answers, as JSON."""
        method = METHODS[name]
        message = json_format.ParseDict(request, message_factory.GetMessageClass(method.input_type)())
        server = "query_service" if "QueryService/" in name else "command_service"
        with grpc.insecure_channel(self._system.stack.address(server)) as channel:
            call: Any = channel.unary_stream(  # one answer is as good as many, on the wire
                f"/{method.containing_service.full_name}/{method.name}",
                lambda sent: sent.SerializeToString() + UNKNOWN,
                message_factory.GetMessageClass(method.output_type).FromString,
            )
            try:
                answers = list(call(message, timeout=20))
            except grpc.RpcError as error:
                raise error_of(error) from error  # type: ignore[arg-type]
        return [json_format.MessageToDict(each, preserving_proto_field_name=True) for each in answers]


@pytest.fixture
def newer(system: System) -> NewerClient:
    return NewerClient(system)


def test_commands_and_queries_pass_over_fields_that_they_do_not_know(newer: NewerClient) -> None:
    who, sku = {"customer_id": str(uuid.uuid4())}, {"sku": f"SKU-{uuid.uuid4()}"}
    newer.call("CustomerService/RegisterCustomer", {**who, "name": "Ada", "email": "ada@example.com"})
    create = {**who, "request_id": str(uuid.uuid4()), "items": [ITEM], "shipping_address": ADDRESS}
    [created] = newer.call("OrderCommandService/CreateOrder", create)
    assert newer.call("OrderCommandService/CreateOrder", create) == [created]
    order = {"order_id": created["order_id"]}
    [confirmed] = newer.call("OrderCommandService/ConfirmOrder", order)
    token = {"consistency_tokens": [confirmed["consistency_token"]]}
    [shown] = newer.call("OrderQueryService/GetOrder", {**order, **token})
    assert shown["order"]["status"] == "ORDER_STATUS_CONFIRMED"
    for name, more in (("ListOrders", {}), ("SearchOrders", {"query": "tea"})):
        chunks = newer.call(f"OrderQueryService/{name}", {"filter": who, **more, **token})
        assert [each["order_id"] for chunk in chunks for each in chunk.get("orders", [])] == [created["order_id"]]
    [history] = newer.call("OrderQueryService/GetOrderHistory", order)
    assert len(history["events"]) == 2
    [stocked] = newer.call("InventoryCommandService/UpdateInventory", {**sku, "set": "3"})
    stock = newer.call(
        "InventoryQueryService/GetStockItem", {**sku, "consistency_tokens": [stocked["consistency_token"]]}
    )
    assert stock[0]["stock_item"]["available"] == "3"


def test_a_value_of_an_enum_that_the_server_does_not_know_is_named(newer: NewerClient) -> None:
    who = {"customer_id": str(uuid.uuid4())}
    with pytest.raises(InvalidRequest) as wrong:
        newer.call(
            "OrderCommandService/CreateOrder",
            {**who, "items": [ITEM], "shipping_address": ADDRESS, "fulfillment_mode": 99},
        )
    assert [each.field for each in wrong.value.fields] == ["fulfillment_mode"]
    with pytest.raises(InvalidRequest) as wrong:
        newer.call("OrderQueryService/ListOrders", {"filter": {**who, "statuses": [99]}})
    assert [each.field for each in wrong.value.fields] == ["filter.statuses[0]"]
