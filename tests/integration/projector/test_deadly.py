"""A message that kills the process that projects it is found and quarantined; an outage never quarantines."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest

from event_schemas.orders import OrderEvent
from tests.integration.projector.conftest import Settings, free_address, running
from tests.integration.projector.elasticsearch_proxy import Answer, Bulk, ElasticsearchProxy, refused
from tests.integration.projector.process import started
from tests.integration.projector.quarantine_client import QuarantineClient
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created, delivered, shipped

_PARTITION = 1
_DEADLY = """
import os
import signal

from read_models.orders import ORDERS

fold = ORDERS.evolve


def deadly(view, event, version):
    if getattr(event, "tracking_number", "") == "DEADLY":
        os.kill(os.getpid(), signal.SIGKILL)
    return fold(view, event, version)


object.__setattr__(ORDERS, "evolve", deadly)
"""


@pytest.fixture
def python_path(tmp_path: Path) -> str:
    """Where a process finds a defect in its fold."""
    (tmp_path / "sitecustomize.py").write_text(_DEADLY)
    root = Path(__file__).parents[3]
    return ":".join(map(str, (tmp_path, root, root / "generated" / "python")))


async def test_a_message_that_kills_each_process_is_quarantined_and_everything_else_flows(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    order_id: str,
    customer_id: str,
    python_path: str,
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    others = [str(uuid.uuid4()) for _ in range(10)]
    beside: list[OrderEvent] = [created(order_id=each, customer_id=customer_id) for each in others]
    event = shipped(order_id=order_id)
    event.tracking_number = "DEADLY"
    life: list[OrderEvent] = [created(order_id=order_id, customer_id=customer_id), confirmed(order_id=order_id), event]
    write_side.publish(*write_side.record(*beside[:5], *life), partition=_PARTITION)
    write_side.publish(*write_side.record(delivered(order_id=order_id), *beside[5:]), partition=_PARTITION)
    deaths = 0
    while True:
        async with started(settings, PYTHONPATH=python_path) as process:
            dying, finished = asyncio.create_task(process.wait()), asyncio.create_task(read_side.caught_up())
            await asyncio.wait({dying, finished}, return_when=asyncio.FIRST_COMPLETED)
            finished.cancel()
            if not dying.done():
                (entry,) = await quarantine.entries()
                break
            deaths += 1
            assert process.returncode == -signal.SIGKILL
    assert deaths == 4
    assert (entry.id, entry.version, entry.cause.partition(":")[0]) == (f"order/{order_id}", 3, "Deadly")
    assert (entry.partition, entry.offset) == (_PARTITION, 7)
    await read_side.has(order_id, version=2, status="CONFIRMED")
    for each in others:
        await read_side.has(each, version=1)
    async with running(settings):
        assert await quarantine.replay(entry.id) is None
        await read_side.has(order_id, version=4, status="DELIVERED", tracking_number="DEADLY")


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGKILL])
async def test_an_outage_quarantines_nothing_however_often_the_process_ends_in_it(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    customer_id: str,
    ends: signal.Signals,
) -> None:
    proxy, tried = ElasticsearchProxy(), asyncio.Event()
    settings["read_es_url"] = await proxy.start()

    async def away(bulk: Bulk) -> Answer:
        if proxy.bulks >= 3:  # by then the first has been seen to fail
            tried.set()
        return await refused(503)(bulk)

    ids = [str(uuid.uuid4()) for _ in range(5)]
    write_side.publish(*write_side.record(*(created(order_id=each, customer_id=customer_id) for each in ids)))
    for _ in range(4):  # the fifth start would condemn what has been begun four times
        proxy.faults, proxy.bulks = [away] * 1000, 0
        tried.clear()
        async with started({**settings, "grpc_listen_address": free_address()}) as process:
            await tried.wait()
            process.send_signal(ends)
            await process.wait()
    proxy.faults = []
    async with running(settings):
        for each in ids:
            await read_side.has(each, version=1)
        await read_side.caught_up()
        assert await quarantine.entries() == []
    await proxy.stop()
