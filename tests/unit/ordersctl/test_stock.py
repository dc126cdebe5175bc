import json

import pytest
from google.protobuf.message import Message

from orderflow.inventory.v1 import commands_pb2 as pb
from orderflow.inventory.v1 import queries_pb2 as asked
from orderflow.inventory.v1.stock_item_pb2 import StockItem
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ORDER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (("set", "TEA", "0", "--request-id", "r"), pb.UpdateInventoryRequest(request_id="r", sku="TEA", set=0)),
        (
            ("adjust", "TEA", "--request-id", "r", "--expected-version", "2", "--", "-2"),
            pb.UpdateInventoryRequest(request_id="r", sku="TEA", adjust=-2, expected_version=2),
        ),
        (
            ("reserve", "TEA", ORDER, "3", "--request-id", "r", "--validate-only"),
            pb.ReserveStockRequest(request_id="r", sku="TEA", order_id=ORDER, quantity=3, validate_only=True),
        ),
        (
            ("release", "TEA", ORDER, "--request-id", "r"),
            pb.ReleaseStockRequest(request_id="r", sku="TEA", order_id=ORDER),
        ),
        (
            ("commit", "TEA", ORDER, "--request-id", "r"),
            pb.CommitStockRequest(request_id="r", sku="TEA", order_id=ORDER),
        ),
        (("get", "TEA", "--min-version", "3"), asked.GetStockItemRequest(sku="TEA", min_version=3)),
        (("get", "TEA", "--token", "t"), asked.GetStockItemRequest(sku="TEA", consistency_tokens=["t"])),
        (("list",), asked.ListStockItemsRequest(filter=asked.StockItemFilter())),
        (
            ("list", "--prefix", "T", "--max-available", "0", "--order-by", "on_hand", "--limit", "5", "--resume", "x"),
            asked.ListStockItemsRequest(
                filter=asked.StockItemFilter(sku_prefix="T", max_available=0),
                order_by="on_hand",
                limit=5,
                resume_token="x",
            ),
        ),
    ],
)
def test_options_become_the_fields_of_the_request(
    services: Services, run: Run, arguments: tuple[str, ...], request_: Message
) -> None:
    assert run("stock", *arguments).exit_code == 0
    assert services.request == request_


def test_the_stock_is_shown_to_people_and_programs(services: Services, run: Run) -> None:
    answer = pb.ReserveStockResponse(sku="TEA", version=2, on_hand=12, reserved=5, available=7, consistency_token="t-1")
    services.answer("ReserveStock", answer)
    shown = run("--table", "stock", "reserve", "TEA", ORDER, "5", "--request-id", "r-1").stdout
    for part in ("TEA", "12", "5", "7", "t-1", "r-1"):
        assert part in shown
    assert json.loads(run("stock", "reserve", "TEA", ORDER, "5").stdout)["available"] == "7"


def test_a_stock_item_is_shown_to_people_and_programs(services: Services, run: Run) -> None:
    item = StockItem(sku="TEA", on_hand=12, reserved=5, available=7, version=2)
    services.answer("GetStockItem", asked.GetStockItemResponse(stock_item=item))
    shown = run("--table", "stock", "get", "TEA").stdout
    for part in ("TEA", "12", "5", "7"):
        assert part in shown
    assert json.loads(run("stock", "get", "TEA").stdout)["stock_item"]["available"] == "7"


def test_stock_is_listed_as_it_arrives_with_the_way_to_go_on(services: Services, run: Run) -> None:
    chunks = [
        asked.ListStockItemsResponse(stock_items=[StockItem(sku="TEA-1", available=7)], resume_token="first"),
        asked.ListStockItemsResponse(stock_items=[StockItem(sku="TEA-2", available=9)], resume_token="second"),
    ]
    services.answer("ListStockItems", chunks)
    ran = run("--table", "stock", "list", "--limit", "2")
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["sku", "TEA-1", "TEA-2"]
    assert "--resume second" in ran.stderr
    assert [json.loads(line)["sku"] for line in run("stock", "list").stdout.splitlines()] == ["TEA-1", "TEA-2"]


def test_an_empty_list_says_so(services: Services, run: Run) -> None:
    services.answer("ListStockItems", [asked.ListStockItemsResponse()])
    assert "no stock" in run("--table", "stock", "list").stderr
