"""Queries that run while readers are moved between generations see no error, no gap, and nothing older than before."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from event_schemas import orders as order_events
from orderflow.admin.v1 import rebuild_pb2
from orderflow.orders.v1 import queries_pb2
from tests.integration.projector.conftest import Settings, running
from tests.integration.projector.operator_calls import DONE, OperatorCalls
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.integration.query_service.client import Queries
from tests.integration.query_service.conftest import running_service
from tests.unit.read_models.builders import confirmed, created, shipped

_ORDERS = 450


class _Seen:
    """What queries have shown: no order goes away, and none goes back."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.rounds = 0

    def all_(self, shown: dict[str, int]) -> None:
        """Of a query that finds all orders."""
        assert not self.versions.keys() - shown.keys()
        for order_id, version in shown.items():
            self.one(order_id, version)

    def one(self, order_id: str, version: int) -> None:
        assert version >= self.versions.get(order_id, 0)
        self.versions[order_id] = version
        self.rounds += 1


@pytest.fixture
async def queries(prefix: str, write_side: WriteSide) -> AsyncIterator[Queries]:
    async with running_service(read_index_prefix=prefix, command_service_address=write_side.address) as queries:
        yield queries


async def test_queries_see_neither_error_nor_gap(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, queries: Queries
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(_ORDERS)]

    async def writes() -> None:
        order_id = str(uuid.uuid4())
        happens: Sequence[Callable[..., order_events.OrderEvent]] = (created, confirmed, shipped)
        for version, event in enumerate(happens, start=1):
            write_side.publish(*write_side.record(event(order_id=order_id)))
            assert (await queries.get(order_id, min_version=version)).order.version >= version
        old = ids.pop()
        write_side.publish(*write_side.record(confirmed(order_id=old)))
        ids.insert(0, old)

    got, uncached, listed = _Seen(), _Seen(), _Seen()

    async def gets() -> None:
        order_id = random.choice(ids)  # noqa: S311
        got.one(order_id, (await queries.get(order_id)).order.version)

    async def gets_uncached() -> None:
        order_id = random.choice(ids)  # noqa: S311
        await read_side.forget_cached(order_id)
        uncached.one(order_id, (await queries.get(order_id)).order.version)

    async def lists() -> None:
        shown = [order for chunk in await queries.list_() for order in chunk.orders]
        assert len({each.order_id for each in shown}) == len(shown)
        listed.all_({each.order_id: each.version for each in shown})

    async def searches() -> None:
        order_id = random.choice(ids)  # noqa: S311
        found = [order.order_id for chunk in await queries.search(order_id) for order in chunk.orders]
        assert order_id in found

    async with running(settings), grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        operator = OperatorCalls(channel)
        write_side.publish(*write_side.record(*(created(order_id=each) for each in ids)))
        await read_side.caught_up()
        await read_side.elasticsearch.indices.refresh(index=read_side.alias)
        await queries.until_healthy()
        known = set(ids)
        streams = [queries.stub.ListOrders(queries_pb2.ListOrdersRequest()) for _ in range(2)]
        begun = [await _first(stream) for stream in streams]
        async with _all_the_while(writes, gets, gets_uncached, lists, searches):
            for move in (operator.rebuild, operator.roll_back, operator.roll_back, operator.rebuild):
                moved = await move()
                assert not isinstance(moved, rebuild_pb2.Rebuild) or moved.phase == DONE
                rest = await queries.list_(resume_token=begun[0].resume_token)
                _is_exactly(known, [begun[0], *rest])
        _is_exactly(known, [begun[1], *[chunk async for chunk in streams[1]]])
        assert min(got.rounds, uncached.rounds, listed.rounds) > 20
        assert (await operator.projection()).generation == 3


async def _first(stream: Any) -> queries_pb2.ListOrdersResponse:
    async for chunk in stream:
        first: queries_pb2.ListOrdersResponse = chunk
        return first
    raise AssertionError("an empty list")


def _is_exactly(known: set[str], chunks: Iterable[queries_pb2.ListOrdersResponse]) -> None:
    """Whether a list that was continued has each of the orders that were there when it began once."""
    shown = [order.order_id for chunk in chunks for order in chunk.orders]
    assert len(set(shown)) == len(shown)
    assert known <= set(shown)


@asynccontextmanager
async def _all_the_while(*asked: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Asks each of them again and again while the body runs."""
    over = asyncio.Event()

    async def again_and_again(ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not over.is_set():
            await ask()
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for each in asked:
            group.create_task(again_and_again(each))
        try:
            yield
        finally:
            over.set()
