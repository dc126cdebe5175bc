"""ListOrders: filters, order, limit, chunks, and what a stream holds while it runs."""

import asyncio
import gc
import itertools
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.order_pb2 import (
    ORDER_STATUS_CANCELLED,
    ORDER_STATUS_CONFIRMED,
    ORDER_STATUS_PENDING,
    ORDER_STATUS_SHIPPED,
)
from orderflow.orders.v1.views_pb2 import OrderView
from query_service import points_in_time
from tests.integration.query_service.client import Queries
from tests.integration.query_service.conftest import StartService, running_service
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.views import CREATE_TIME_US, an_order, euros
from tests.support.eventually import eventually


def ids(chunks: list[queries_pb2.ListOrdersResponse]) -> list[str]:
    return [order.order_id for chunk in chunks for order in chunk.orders]


async def test_the_newest_come_first_and_orders_of_one_moment_by_id(read_model: ReadModel, queries: Queries) -> None:
    orders = [an_order(create_time_us=CREATE_TIME_US + number // 7) for number in range(40)]
    await read_model.put(*random.sample(orders, len(orders)))
    chunks = await queries.list_()
    listed = [order for chunk in chunks for order in chunk.orders]
    assert listed == sorted(orders, key=lambda each: (each.create_time.ToMicroseconds(), each.order_id), reverse=True)


@pytest.mark.parametrize(
    ("order_by", "key"),
    [
        ("create_time", lambda each: (each.create_time.ToMicroseconds(), each.order_id)),
        ("update_time asc", lambda each: (each.update_time.ToMicroseconds(), each.order_id)),
        (
            " total_amount asc , create_time desc ",
            lambda each: (each.total_amount.units, -each.create_time.ToMicroseconds(), each.order_id),
        ),
    ],
)
async def test_orders_come_in_the_order_asked_for(
    order_by: str, key: Any, read_model: ReadModel, queries: Queries
) -> None:
    orders = [
        an_order(
            create_time_us=CREATE_TIME_US + number % 4,
            update_time_us=CREATE_TIME_US + 100 + number % 5,
            total_amount=euros(10 + number % 3),
        )
        for number in range(30)
    ]
    await read_model.put(*orders)
    listed = ids(await queries.list_(order_by=order_by))
    assert listed == [each.order_id for each in sorted(orders, key=key)]
    if "," not in order_by:
        reverse = ids(await queries.list_(order_by=f"{order_by.removesuffix(' asc')} desc"))
        assert reverse == listed[::-1]


_SORT_KEYS = {
    "create_time": lambda each: each.create_time.ToMicroseconds(),
    "update_time": lambda each: each.update_time.ToMicroseconds(),
    "total_amount": lambda each: each.total_amount.units,
}
_SORTS = [
    dict(zip(fields, directions, strict=True))
    for length in (1, 2, 3)
    for fields in itertools.permutations(_SORT_KEYS, length)
    for directions in itertools.product(("asc", "desc"), repeat=length)
]


async def test_every_combination_of_sort_keys_sorts_and_goes_on_exactly(
    read_model: ReadModel, queries: Queries
) -> None:
    orders = [
        an_order(
            create_time_us=CREATE_TIME_US + number % 2,
            update_time_us=CREATE_TIME_US + 9 + number % 3,
            total_amount=euros(10 + number // 6 % 2),
        )
        for number in range(30)
    ]
    await read_model.put(*orders)
    for sort in _SORTS:
        order_by = ", ".join(f"{field} {direction}" for field, direction in sort.items())
        first = await queries.list_(order_by=order_by, limit=13)
        rest = await queries.list_(order_by=order_by, resume_token=first[-1].resume_token)
        expected = sorted(orders, key=lambda each: each.order_id, reverse=next(iter(sort.values())) == "desc")
        for field, direction in reversed(sort.items()):
            expected.sort(key=_SORT_KEYS[field], reverse=direction == "desc")
        assert ids(first + rest) == [each.order_id for each in expected], order_by


async def test_an_empty_list_is_one_chunk_with_its_freshness(queries: Queries) -> None:
    (chunk,) = await queries.list_()
    assert not chunk.orders
    assert not chunk.resume_token
    assert chunk.freshness.HasField("as_of_time")


def _between(begin: int | None, end: int | None) -> Interval:
    interval = Interval()
    if begin is not None:
        interval.start_time.FromMicroseconds(CREATE_TIME_US + begin)
    if end is not None:
        interval.end_time.FromMicroseconds(CREATE_TIME_US + end)
    return interval


_ALICE, _BOB = str(uuid.uuid4()), str(uuid.uuid4())


def _a_shop() -> dict[str, OrderView]:
    made: dict[str, dict[str, Any]] = {
        "alice-10": {"customer_id": _ALICE, "total_amount": euros(10)},
        "alice-20": {"customer_id": _ALICE, "total_amount": euros(20), "status": ORDER_STATUS_CONFIRMED},
        "bob-20": {
            "customer_id": _BOB,
            "total_amount": euros(20, cents=1),
            "status": ORDER_STATUS_SHIPPED,
            "tracking_number": "TRACK 1-ab",
        },
        "bob-30-yen": {
            "customer_id": _BOB,
            "total_amount": Money(currency_code="JPY", units=30),
            "status": ORDER_STATUS_CANCELLED,
        },
    }
    return {
        name: an_order(create_time_us=CREATE_TIME_US + n, **fields) for n, (name, fields) in enumerate(made.items())
    }


@pytest.mark.parametrize(
    ("condition", "admitted"),
    [
        ({"customer_id": _ALICE.upper()}, {"alice-10", "alice-20"}),
        ({"customer_id": str(uuid.uuid4())}, set()),
        ({"statuses": [ORDER_STATUS_SHIPPED]}, {"bob-20"}),
        ({"statuses": [ORDER_STATUS_PENDING, ORDER_STATUS_CANCELLED]}, {"alice-10", "bob-30-yen"}),
        ({"create_time_range": _between(1, 3)}, {"alice-20", "bob-20"}),
        ({"create_time_range": _between(None, 1)}, {"alice-10"}),
        ({"create_time_range": _between(3, None)}, {"bob-30-yen"}),
        ({"min_total": euros(20)}, {"alice-20", "bob-20"}),
        ({"max_total": euros(20)}, {"alice-10", "alice-20"}),
        ({"min_total": euros(10, cents=1), "max_total": euros(20)}, {"alice-20"}),
        ({"min_total": Money(currency_code="JPY", units=30)}, {"bob-30-yen"}),
        ({"max_total": Money(currency_code="EUR", units=2**63 - 1)}, {"alice-10", "alice-20", "bob-20"}),
        ({"tracking_number": "TRACK 1-ab"}, {"bob-20"}),
        ({"tracking_number": "track 1-ab"}, set()),
        ({"customer_id": _BOB, "statuses": [ORDER_STATUS_SHIPPED, ORDER_STATUS_CONFIRMED]}, {"bob-20"}),
    ],
)
async def test_only_orders_that_meet_every_condition_are_listed(
    condition: dict[str, Any], admitted: set[str], read_model: ReadModel, queries: Queries
) -> None:
    shop = _a_shop()
    await read_model.put(*shop.values())
    listed = ids(await queries.list_(filter=queries_pb2.OrderFilter(**condition)))
    assert set(listed) == {shop[name].order_id for name in admitted}


async def test_five_thousand_orders_stream_in_chunks_of_a_hundred(read_model: ReadModel, queries: Queries) -> None:
    orders = [an_order(create_time_us=CREATE_TIME_US + number // 3) for number in range(5000)]
    await read_model.put(*orders)
    chunks = await queries.list_()
    assert max(len(chunk.orders) for chunk in chunks) == 100
    assert [chunk.HasField("freshness") for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    expected = sorted(orders, key=lambda each: (each.create_time.ToMicroseconds(), each.order_id), reverse=True)
    assert ids(chunks) == [each.order_id for each in expected]
    assert await read_model.open_points_in_time() == 0


async def test_large_orders_come_in_chunks_that_any_client_takes(read_model: ReadModel, queries: Queries) -> None:
    names = ["A product with a long name " * 7] * 200
    await read_model.put(*(an_order(item_names=names) for _ in range(60)))
    chunks = await queries.list_()
    assert len(ids(chunks)) == 60
    assert max(chunk.ByteSize() for chunk in chunks) < 2 * 1024 * 1024


async def test_a_list_shows_one_point_in_time_whatever_changes_meanwhile(
    read_model: ReadModel, queries: Queries
) -> None:
    orders = [an_order(create_time_us=CREATE_TIME_US + number) for number in range(3000)]
    await read_model.put(*orders)
    stream = queries.stub.ListOrders(queries_pb2.ListOrdersRequest())
    listed = [order async for order in _orders_of_first_chunk(stream)]
    await read_model.put(an_order(create_time_us=CREATE_TIME_US + 1, status=ORDER_STATUS_CANCELLED))
    moved = OrderView()
    moved.CopyFrom(orders[0])
    moved.create_time.FromMicroseconds(CREATE_TIME_US + 2)
    await read_model.put(moved)
    listed += [order async for chunk in stream for order in chunk.orders]
    assert listed == orders[::-1]


async def test_a_cancelled_stream_closes_its_point_in_time(read_model: ReadModel, queries: Queries) -> None:
    await read_model.put(*(an_order() for _ in range(3000)))
    stream = queries.stub.ListOrders(queries_pb2.ListOrdersRequest())
    assert [order async for order in _orders_of_first_chunk(stream)]
    assert await read_model.open_points_in_time() == 1
    stream.cancel()

    async def is_closed() -> bool:
        return await read_model.open_points_in_time() == 0

    await eventually(is_closed)


@asynccontextmanager
async def _slowly_read(read_model: ReadModel, start_service: StartService) -> AsyncIterator[Any]:
    """A list of 1,500 large orders in 15 pages, of which hardly any fit into what a connection keeps."""
    names = ["A product with a long name " * 7] * 20
    await read_model.put(*(an_order(item_names=names) for _ in range(1500)))
    service = await start_service(page_size=100)
    small_window = [("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(service.address, options=small_window) as channel:
        yield Queries(channel).stub.ListOrders(queries_pb2.ListOrdersRequest())


async def test_a_slow_reader_holds_the_server_back(read_model: ReadModel, start_service: StartService) -> None:
    async with _slowly_read(read_model, start_service) as stream:
        before = await read_model.searches()
        listed = [order async for order in _orders_of_first_chunk(stream)]
        await asyncio.sleep(1)  # time enough to read all of it
        assert await read_model.searches() - before < 8
        listed += [order async for chunk in stream for order in chunk.orders]
    assert len(listed) == 1500


async def _orders_of_first_chunk(stream: Any) -> Any:
    async for chunk in stream:
        for order in chunk.orders:
            yield order
        return


async def test_a_server_that_stops_closes_the_points_in_time_of_its_streams(read_model: ReadModel) -> None:
    await read_model.put(*(an_order() for _ in range(3000)))
    async with running_service(read_index_prefix=read_model.prefix) as queries:
        stream = queries.stub.ListOrders(queries_pb2.ListOrdersRequest())
        assert [order async for order in _orders_of_first_chunk(stream)]
        assert await read_model.open_points_in_time() == 1

    async def are_closed() -> bool:  # a page that was being read ahead is counted until Elasticsearch has read it
        return await read_model.open_points_in_time() == 0

    await eventually(are_closed)
    gc.collect()  # an unclosed connection would warn


async def test_a_point_in_time_lives_as_long_as_its_reader_is_slow(
    read_model: ReadModel, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points_in_time, "KEEP_ALIVE_SECONDS", 0.1)
    async with _slowly_read(read_model, start_service) as stream:
        assert [order async for order in _orders_of_first_chunk(stream)]
        before = await read_model.searches()

        async def is_kept_alive() -> bool:
            return await read_model.searches() - before > 30  # more than there are pages

        await eventually(is_kept_alive)
        stream.cancel()
