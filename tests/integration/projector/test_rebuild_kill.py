"""A projector that is killed in any phase of a rebuild leaves queries as they were, or moved, and nothing half-way."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest

from tests.integration.projector.conftest import Settings, free_address
from tests.integration.projector.elasticsearch_proxy import ElasticsearchProxy
from tests.integration.projector.operator_calls import DONE, FAILED, KEPT, LIVE, OperatorCalls
from tests.integration.projector.process import started
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.test_life import life
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.unit.read_models.builders import created

_NEXT = "-orders-000002"


@dataclass(frozen=True)
class _Point:
    """A request to Elasticsearch around which the projector is killed.

    Args:
        after: whether Elasticsearch has done it.
        moved: whether queries see the new generation then.
    """

    name: str
    is_it: Callable[[str, bytes], bool]
    after: bool = False
    moved: bool = False


_POINTS = [
    _Point("made", lambda path, _: path.endswith(_NEXT), after=True),
    _Point("filling", lambda path, _: _NEXT in path and path.endswith("_bulk")),
    _Point("filled", lambda path, _: _NEXT in path and path.endswith("_settings")),
    _Point("catching up", lambda path, body: path.endswith("_mapping") and b'"filled":true' in body, after=True),
    _Point("comparing", lambda path, _: path.endswith(f"{_NEXT}/_search")),
    _Point("switching", lambda path, _: path.endswith("_aliases")),
    _Point("moved", lambda path, _: path.endswith("_aliases"), after=True, moved=True),
]


@pytest.fixture(autouse=True)
def _short_lease(settings: Settings) -> None:
    settings["rebuild_lease_seconds"] = 3


@pytest.fixture
async def proxy() -> AsyncIterator[ElasticsearchProxy]:
    proxy = ElasticsearchProxy()
    yield proxy
    await proxy.stop()


@pytest.mark.parametrize("point", _POINTS, ids=[each.name for each in _POINTS])
async def test_killed_in_a_rebuild(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, proxy: ElasticsearchProxy, point: _Point
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(20)]
    for each in ids:
        write_side.publish(*write_side.record(*life(each, str(uuid.uuid4()))))
    reached, over = asyncio.Event(), asyncio.Event()

    async def hold(path: str, body: bytes) -> None:
        if not reached.is_set() and point.is_it(path, body):
            reached.set()
            await over.wait()
            raise ConnectionAbortedError

    through_proxy = {**settings, "read_es_url": await proxy.start()}
    async with started(through_proxy) as process, _operator(settings) as operator:
        await read_side.caught_up()
        if point.after:
            proxy.after = hold
        else:
            proxy.before = hold
        rebuilding = asyncio.create_task(operator.start_rebuild())
        await asyncio.wait_for(reached.wait(), 30)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.gather(rebuilding, return_exceptions=True)
    over.set()

    again = {**settings, "grpc_listen_address": free_address()}
    async with started(again), _operator(again) as operator:
        await operator.has_states(**({"g1": KEPT, "g2": LIVE} if point.moved else {"g1": LIVE}))
        assert (await operator.ended(2)).phase == (DONE if point.moved else FAILED)
        newest = str(uuid.uuid4())
        write_side.publish(*write_side.record(created(order_id=newest)))
        await read_side.has(newest, version=1)
        assert (await operator.rebuild()).phase == DONE
        live = (await operator.projection()).index
        for each in ids:
            document = await read_side.elasticsearch.get(index=live, id=each)
            assert document["_source"]["version"] == 6


@pytest.mark.parametrize("after", [False, True])
async def test_killed_in_a_rollback(
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    proxy: ElasticsearchProxy,
    order_id: str,
    *,
    after: bool,
) -> None:
    reached, over = asyncio.Event(), asyncio.Event()

    async def hold(path: str, _: bytes) -> None:
        if not reached.is_set() and path.endswith("_aliases"):
            reached.set()
            await over.wait()
            raise ConnectionAbortedError

    through_proxy = {**settings, "read_es_url": await proxy.start()}
    async with started(through_proxy) as process, _operator(settings) as operator:
        await read_side.caught_up()
        assert (await operator.rebuild()).phase == DONE
        if after:
            proxy.after = hold
        else:
            proxy.before = hold
        rolling_back = asyncio.create_task(operator.roll_back())
        await asyncio.wait_for(reached.wait(), 30)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.gather(rolling_back, return_exceptions=True)
    over.set()

    again = {**settings, "grpc_listen_address": free_address()}
    async with started(again), _operator(again) as operator:
        await operator.has_states(**({"g1": LIVE, "g2": KEPT} if after else {"g1": KEPT, "g2": LIVE}))
        write_side.publish(*write_side.record(created(order_id=order_id)))
        for _ in range(2):
            await read_side.has(order_id, version=1)
            await _rolls_back(operator)


async def _rolls_back(operator: OperatorCalls) -> None:
    """Once the lease of who was killed is over."""

    async def rolled_back() -> bool:
        try:
            await operator.roll_back()
        except grpc.aio.AioRpcError as error:
            raise AssertionError from error
        return True

    await eventually(rolled_back, what="a rollback")


@asynccontextmanager
async def _operator(settings: Settings) -> AsyncIterator[OperatorCalls]:
    async with grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        yield OperatorCalls(channel)
