"""A projector that is killed at any point, and started again, loses nothing and does nothing twice."""

import asyncio
import signal
import uuid
from collections.abc import Awaitable, Callable

import pytest

from tests.integration.projector.conftest import Settings
from tests.integration.projector.elasticsearch_proxy import Answer, Bulk, ElasticsearchProxy
from tests.integration.projector.process import started
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import PARTITIONS, WriteSide
from tests.unit.read_models.builders import confirmed, created

_ORDERS = 30


class _Moment:
    """A point in the projector's work at which it is held, so that it can be killed there."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.over = asyncio.Event()

    async def hold(self) -> None:
        self.reached.set()
        await self.over.wait()


async def _before_the_bulk_is_read(moment: _Moment, _: Bulk) -> Answer:
    await moment.hold()
    return 503, b"{}"


async def _in_the_middle_of_the_bulk(moment: _Moment, bulk: Bulk) -> Answer:
    lines = bulk.body.splitlines(keepends=True)
    await bulk.forward(b"".join(lines[: len(lines) // 4 * 2]))
    await moment.hold()
    return 503, b"{}"


async def _before_the_bulk_is_answered(moment: _Moment, bulk: Bulk) -> Answer:
    await bulk.forward(bulk.body)
    await moment.hold()
    return 503, b"{}"


@pytest.mark.parametrize("point", [_before_the_bulk_is_read, _in_the_middle_of_the_bulk, _before_the_bulk_is_answered])
async def test_killed_while_it_writes(
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    customer_id: str,
    point: Callable[[_Moment, Bulk], Awaitable[Answer]],
) -> None:
    moment, proxy = _Moment(), ElasticsearchProxy()
    settings["read_es_url"] = await proxy.start()
    proxy.faults = [lambda bulk: point(moment, bulk)]
    ids = await _publish(write_side, customer_id)
    async with started(settings) as process:
        await moment.reached.wait()
        process.send_signal(signal.SIGKILL)
    moment.over.set()
    await _goes_on(settings, read_side, ids)
    await proxy.stop()


async def test_killed_after_it_has_written_and_before_it_commits(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    moment = _Moment()

    async def goes_on() -> None:
        """The look-up before the write."""

    write_side.meanwhile = [goes_on, moment.hold]
    ids = await _publish(write_side, customer_id)
    async with started(settings) as process:
        await moment.reached.wait()
        process.send_signal(signal.SIGKILL)
    moment.over.set()
    await _goes_on(settings, read_side, ids)


async def test_told_to_stop_it_finishes_its_batch_commits_and_ends_well(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    moment, proxy = _Moment(), ElasticsearchProxy()
    settings["read_es_url"] = await proxy.start()

    async def held(bulk: Bulk) -> Answer:
        await moment.hold()
        return await bulk.forward(bulk.body)

    proxy.faults = [held]
    ids = await _publish(write_side, customer_id)
    async with started(settings) as process:
        await moment.reached.wait()
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        moment.over.set()
        assert await process.wait() == 0
    await proxy.stop()
    topic = write_side.topics["order"]
    done = sum([max(0, await read_side.committed(topic, partition)) for partition in range(PARTITIONS)])
    shown = [await read_side.document(each) for each in ids]
    assert done == sum(document["version"] for document in shown if document) > 0


async def _publish(write_side: WriteSide, customer_id: str) -> list[str]:
    """Orders, each created and confirmed."""
    write_side.record_customer(customer_id, "Zoë")
    ids = [str(uuid.uuid4()) for _ in range(_ORDERS)]
    for each in ids:
        write_side.publish(
            *write_side.record(created(order_id=each, customer_id=customer_id), confirmed(order_id=each))
        )
    return ids


async def _goes_on(settings: Settings, read_side: ReadSide, ids: list[str]) -> None:
    async with started(settings):
        for each in ids:
            await read_side.has(each, version=2, status="CONFIRMED", customer_version=1)
        await read_side.caught_up()
    for each in ids:
        cached = await read_side.cached(each)
        assert cached
        assert cached.version == 2
