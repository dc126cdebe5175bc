"""Query servers that are killed in the middle of what they send: their callers go on with others and miss nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_PENDING, ORDER_STATUS_SHIPPED
from orderflow.orders.v1.queries_pb2 import ListOrdersRequest, OrderFilter
from orderflow.orders.v1.views_pb2 import OrderView
from tests.integration.query_service.client import Queries
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.process import Server, server
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.views import CREATE_TIME_US, an_order, newer
from tests.integration.query_service.watched import Watched, watching
from tests.support.long_form import quick_or_long

pytestmark = [pytest.mark.long, pytest.mark.timeout(quick_or_long(120, 1800))]
_KILLS = quick_or_long(1, 4)
_ORDERS = quick_or_long(5_000, 100_000)
_CHANGED = 200
_WATCHED = quick_or_long(200, 2_000)


@pytest.fixture
async def mortals(read_model: ReadModel) -> AsyncIterator[Sequence[Server]]:
    """Servers to be killed."""
    settings = {"read_index_prefix": read_model.prefix, "watch_poll_seconds": 0.05}
    async with AsyncExitStack() as running:
        yield await asyncio.gather(*(running.enter_async_context(server(**settings)) for _ in range(_KILLS)))


@pytest.fixture
async def last(start_service: StartService) -> Queries:
    """The server that lives on."""
    return await start_service(watch_poll_seconds=0.05)


class _List:
    """A list that is read until its server is gone, and then goes on with another."""

    def __init__(self, order_by: str) -> None:
        self.ids: list[str] = []
        self._asked = ListOrdersRequest(order_by=order_by)
        self._chunks: Any = None

    async def begin(self, queries: Queries, *, until: int) -> None:
        """Reads on from where it is until there are so many orders."""
        self._chunks = aiter(queries.stub.ListOrders(self._asked))
        while len(self.ids) < until:
            self._take(await anext(self._chunks))

    async def end(self) -> None:
        """Reads what still comes."""
        async for chunk in self._chunks:
            self._take(chunk)

    def _take(self, chunk: Any) -> None:
        self.ids += [order.order_id for order in chunk.orders]
        self._asked.resume_token = chunk.resume_token


async def test_lists_whose_server_is_killed_have_each_order_once_and_in_order(
    read_model: ReadModel, mortals: Sequence[Server], last: Queries
) -> None:
    orders = [
        an_order(
            create_time_us=CREATE_TIME_US + number // 3,
            update_time_us=CREATE_TIME_US + number * 7919 % _ORDERS,
            cancel_reason="x" * 500,
        )
        for number in range(_ORDERS)
    ]
    await read_model.put(*orders)
    expected = [
        [each.order_id for each in sorted(orders, key=lambda each: (time(each), each.order_id), reverse=True)]
        for time in (_created, _updated)
    ]
    lists = [_List("create_time desc"), _List("update_time desc")]
    for number, mortal in enumerate(mortals, start=1):
        for each in lists:
            await each.begin(mortal.queries, until=_ORDERS * number // (_KILLS + 1) // 2)
        await mortal.kill()
        for each in lists:
            with pytest.raises(grpc.aio.AioRpcError) as broken:
                await each.end()
            assert broken.value.code() == grpc.StatusCode.UNAVAILABLE
            assert len(each.ids) < _ORDERS
        late = an_order(create_time_us=CREATE_TIME_US + 10**9)
        await read_model.put(*(_touched(each) for each in orders[number :: _ORDERS // _CHANGED]), late)
    for each in lists:
        await each.begin(last, until=0)
        await each.end()
    assert [each.ids for each in lists] == expected


def _created(order: OrderView) -> int:
    return order.create_time.ToMicroseconds()


def _updated(order: OrderView) -> int:
    return order.update_time.ToMicroseconds()


def _touched(order: OrderView) -> OrderView:
    """The order, changed after all others were."""
    changed = newer(order)
    changed.update_time.FromMicroseconds(CREATE_TIME_US + 10**9)
    return changed


async def test_a_watch_whose_server_is_killed_misses_no_change_before_nor_after(
    read_model: ReadModel, mortals: Sequence[Server], last: Queries
) -> None:
    pending = OrderFilter(statuses=[ORDER_STATUS_PENDING])
    shop = {each.order_id: each for each in (an_order() for _ in range(_WATCHED))}
    await read_model.put(*shop.values())
    over = asyncio.Event()

    async def change() -> None:
        """One tenth after the other: most change, some leave the filter or come back, and a few are new."""
        number = 0
        while not over.is_set():
            number += 1
            changed = [_changed(each, number) for each in list(shop.values())[number % 10 :: 10]] + [an_order()]
            await read_model.write(changed)
            shop.update({each.order_id: each for each in changed})

    changing = asyncio.create_task(change())
    orders: dict[str, OrderView] = {}
    token = ""
    for mortal in mortals:
        async with watching(mortal.queries, filter=pending, resume_token=token) as watched:
            watched.orders = orders
            await watched.until_caught_up()
            await _changes(watched, 100)
            await mortal.kill()
            with pytest.raises(grpc.aio.AioRpcError):
                await _changes(watched, 10**9)
            token = watched.token
    async with watching(last, filter=pending, resume_token=token) as watched:
        watched.orders = orders
        await watched.until_caught_up()
        over.set()
        await changing
        await watched.until(
            {each.order_id: each.version for each in shop.values() if each.status == ORDER_STATUS_PENDING}
        )
        assert watched.resets == 0
    assert all(each == shop[each.order_id] for each in orders.values())


async def _changes(watched: Watched, number: int) -> None:
    """Takes in so many messages."""
    for _ in range(number):
        await watched.one()


def _changed(order: OrderView, number: int) -> OrderView:
    changed = newer(order)
    changed.status = ORDER_STATUS_SHIPPED if number % 3 == 0 else ORDER_STATUS_PENDING
    return changed
