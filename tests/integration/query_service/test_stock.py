"""GetStockItem and ListStockItems on the real servers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from event_schemas.aggregates import stock_item_id
from orderflow.common.v1.consistency_pb2 import READ_SOURCE_READ_MODEL
from orderflow.inventory.v1 import queries_pb2
from orderflow.inventory.v1.inventory_query_service_pb2_grpc import InventoryQueryServiceStub
from orderflow.inventory.v1.stock_item_pb2 import StockItem
from read_models.stock import STOCK
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.read_model import PROJECT_TIME_US, ReadModel
from tests.integration.query_service.tokens import token
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from orderflow.inventory.v1.inventory_query_service_pb2_grpc import InventoryQueryServiceAsyncStub

_CREATED_US = 1_780_000_000_000_000
_SHOP = {"TEA-1": 7, "TEA-2": 0, "TEA-10": 3, "POT-4": 0, "tea-1": 5}


class Stock:
    """The index of stock beside a test's index of orders, and the service that reads it."""

    def __init__(self, client: AsyncElasticsearch, prefix: str, channel: grpc.aio.Channel) -> None:
        self.client = client
        self.index = f"{prefix}-stock-000001"
        self.alias = f"{prefix}-stock"
        self.stub: InventoryQueryServiceAsyncStub = InventoryQueryServiceStub(channel)

    async def write(self, *items: StockItem) -> None:
        """Writes stock items; searches see them after the next refresh."""
        actions = (
            {"_index": self.index, "_id": STOCK.id_of(each), "_source": STOCK.document(each, project_time_us=_WRITTEN)}
            for each in items
        )
        await async_bulk(self.client, actions)

    async def put(self, *items: StockItem) -> None:
        """Writes stock items and makes them visible to searches."""
        await self.write(*items)
        await self.client.indices.refresh(index=self.index)

    async def get(self, sku: str, **fields: Any) -> queries_pb2.GetStockItemResponse:
        """GetStockItem."""
        return await self.stub.GetStockItem(queries_pb2.GetStockItemRequest(sku=sku, **fields))

    async def list_(self, **fields: Any) -> list[queries_pb2.ListStockItemsResponse]:
        """All chunks of ListStockItems."""
        return [chunk async for chunk in self.stub.ListStockItems(queries_pb2.ListStockItemsRequest(**fields))]

    async def looks(self) -> int:
        """How often the index was read so far, by id or by search."""
        stats = await self.client.indices.stats(index=self.index, metric="get,search")
        total = stats["_all"]["total"]
        return int(total["get"]["total"]) + int(total["search"]["query_total"])


_WRITTEN = PROJECT_TIME_US


@pytest.fixture
async def stock(read_model: ReadModel, queries: Queries) -> AsyncIterator[Stock]:
    async with grpc.aio.insecure_channel(queries.address) as channel:
        stock = Stock(read_model.client, read_model.prefix, channel)
        await read_model.client.indices.create(index=stock.index, aliases={stock.alias: {}}, **STOCK.index_body())
        yield stock
        await read_model.client.indices.delete(index=stock.index)


def an_item(sku: str = "TEA-1", available: int = 7, reserved: int = 2, version: int = 3) -> StockItem:
    item = StockItem(sku=sku, on_hand=available + reserved, reserved=reserved, available=available, version=version)
    item.create_time.FromMicroseconds(_CREATED_US)
    item.update_time.FromMicroseconds(_CREATED_US + version)
    return item


def skus(chunks: Sequence[queries_pb2.ListStockItemsResponse]) -> list[str]:
    return [item.sku for chunk in chunks for item in chunk.stock_items]


async def test_a_stock_item_is_shown_before_any_search_finds_it(stock: Stock) -> None:
    await stock.write(an_item())
    answer = await stock.get("TEA-1")
    assert answer.stock_item == an_item()
    assert answer.freshness.source == READ_SOURCE_READ_MODEL
    assert answer.freshness.project_time.ToMicroseconds() == _WRITTEN


@pytest.mark.parametrize("sku", ["TEA-2", "tea-1"])
async def test_an_unknown_product_is_refused(stock: Stock, sku: str) -> None:
    await stock.put(an_item("TEA-1"))
    refusal = await refusal_of(stock.get(sku))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "STOCK_ITEM_NOT_FOUND")


@pytest.mark.parametrize("sku", ["", "x" * 65, "a\nb", "a\u202eb"])
async def test_a_sku_that_is_none_is_refused(stock: Stock, sku: str) -> None:
    refusal = await refusal_of(stock.get(sku))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["sku"])


@pytest.mark.parametrize(
    "wanted", [{"min_version": 2}, {"consistency_tokens": [token("stock_item", stock_item_id("TEA-1"), 2)]}]
)
async def test_what_must_be_seen_is_waited_for(stock: Stock, wanted: dict[str, Any]) -> None:
    await stock.write(an_item(version=1))
    looks = await stock.looks()
    call = asyncio.create_task(stock.get("TEA-1", **wanted))

    async def has_looked() -> bool:
        return await stock.looks() > looks

    await eventually(has_looked, what="a look at the index")
    await stock.write(an_item(version=2))
    answer = await call
    assert answer.stock_item.version == 2
    assert answer.freshness.wait_duration.ToMicroseconds() > 0


async def test_a_list_shows_what_its_tokens_name_and_waits_for_nothing_else(stock: Stock) -> None:
    await stock.client.indices.put_settings(index=stock.index, settings={"refresh_interval": "-1"})
    await stock.write(an_item(version=2))
    others = [token("order", stock_item_id("other"), 9), token("customer", stock_item_id("other"), 9)]
    (chunk,) = await stock.list_(consistency_tokens=[token("stock_item", stock_item_id("TEA-1"), 2), *others])
    assert skus([chunk]) == ["TEA-1"]
    assert chunk.freshness.tokens_seen == 3


async def test_what_never_comes_is_a_timeout_that_names_it(read_model: ReadModel, start_service: Any) -> None:
    queries = await start_service(consistency_wait_seconds=0.3)
    async with grpc.aio.insecure_channel(queries.address) as channel:
        stock = Stock(read_model.client, read_model.prefix, channel)
        await read_model.client.indices.create(index=stock.index, aliases={stock.alias: {}}, **STOCK.index_body())
        item_id = stock_item_id("TEA-1")
        for call in (
            stock.get("TEA-1", min_version=1),
            stock.list_(consistency_tokens=[token("stock_item", item_id, 1)]),
        ):
            refusal = await refusal_of(call)
            assert refusal.reason == "EVENTUAL_CONSISTENCY_TIMEOUT"
            assert refusal.metadata["aggregate"] == f"stock_item/{item_id}"
        await read_model.client.indices.delete(index=stock.index)


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({}, ["POT-4", "TEA-1", "TEA-10", "TEA-2", "tea-1"]),
        ({"order_by": "sku desc"}, ["tea-1", "TEA-2", "TEA-10", "TEA-1", "POT-4"]),
        ({"order_by": "available desc, sku"}, ["TEA-1", "tea-1", "TEA-10", "POT-4", "TEA-2"]),
        ({"filter": {"sku_prefix": "TEA-1"}}, ["TEA-1", "TEA-10"]),
        ({"filter": {"max_available": 0}}, ["POT-4", "TEA-2"]),
        ({"filter": {"sku_prefix": "TEA", "max_available": 3}}, ["TEA-10", "TEA-2"]),
        ({"limit": 2}, ["POT-4", "TEA-1"]),
    ],
)
async def test_stock_is_listed_by_sku_unless_asked_otherwise(
    stock: Stock, fields: dict[str, Any], listed: list[str]
) -> None:
    await stock.put(*(an_item(sku, available) for sku, available in _SHOP.items()))
    assert skus(await stock.list_(**fields)) == listed


async def test_no_stock_is_one_empty_chunk(stock: Stock) -> None:
    (chunk,) = await stock.list_()
    assert not chunk.stock_items
    assert chunk.freshness.HasField("as_of_time")
    assert chunk.resume_token == ""


async def test_a_list_continues_after_each_of_its_chunks(stock: Stock) -> None:
    names = [f"SKU-{number:03}" for number in range(250)]
    await stock.put(*(an_item(name) for name in names))
    chunks = await stock.list_()
    assert len(chunks) > 2
    for number, chunk in enumerate(chunks[:-1], start=1):
        rest = await stock.list_(resume_token=chunk.resume_token)
        assert skus(chunks[:number]) + skus(rest) == names
    refusal = await refusal_of(stock.list_(resume_token=chunks[0].resume_token, order_by="available"))
    assert refusal.reason == "TOKEN_INVALID"


async def test_an_unknown_field_to_sort_by_is_refused(stock: Stock) -> None:
    refusal = await refusal_of(stock.list_(order_by="total_amount"))
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ["order_by"])
