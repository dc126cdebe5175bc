"""While customers cannot be looked up, orders are indexed without them, and are completed by themselves later."""

import asyncio
import signal
import uuid

from read_models import orders, orders_index
from tests.integration.projector.conftest import Logs, Settings, running
from tests.integration.projector.process import started
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created

_ORDERS = 20
_NEVER = 600


async def test_orders_are_indexed_at_once_and_completed_when_customers_are_back(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, logs: Logs, customer_id: str
) -> None:
    settings.update(backfill_seconds=_NEVER, customer_pause_seconds=0.5)
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        await read_side.exists()
        await write_side.stop()
        ids = _publish(write_side, customer_id)
        await _are_pending(read_side, ids)
        await read_side.caught_up()
        assert not logs.of("trying again")
        await write_side.start()
        await _are_complete(read_side, ids, "Zoë", version=1)
        cached = [await read_side.cached(each) for each in ids]
        assert all(each and each.source_version == 1 for each in cached)


async def test_customers_that_are_not_answered_for_in_time_delay_orders_by_no_more_than_that(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    settings.update(backfill_seconds=_NEVER, customer_timeout_seconds=0.2, customer_pause_seconds=_NEVER)
    write_side.record_customer(customer_id, "Zoë")
    over = asyncio.Event()
    calls = 0

    async def hangs() -> None:
        nonlocal calls
        calls += 1
        await over.wait()

    write_side.meanwhile = [hangs] * 1000
    async with running(settings):
        ids: list[str] = []
        for _ in range(8):
            news = _publish(write_side, customer_id)
            await _are_pending(read_side, news)
            ids += news
        await read_side.caught_up()
        assert calls <= 4  # three that fail, and one that is on its way meanwhile
        over.set()
        write_side.meanwhile = []
    async with running(settings):
        await _are_complete(read_side, ids, "Zoë", version=1)


async def test_a_killed_projector_completes_them_when_it_is_started_again(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    settings["backfill_seconds"] = _NEVER
    write_side.record_customer(customer_id, "Zoë")
    await write_side.stop()
    ids = _publish(write_side, customer_id)
    async with started(settings) as process:
        await read_side.exists()
        await _are_pending(read_side, ids)
        await read_side.caught_up()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await write_side.start()
    async with started(settings):
        await _are_complete(read_side, ids, "Zoë", version=1)


async def test_what_another_projector_has_left_is_completed_too(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    settings["backfill_seconds"] = 1
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        ids = _publish(write_side, customer_id)
        await _are_complete(read_side, ids, "Zoë", version=1)
        await read_side.caught_up()
        for each in ids:
            left = orders_index.document(orders.pending(await read_side.view(each)), project_time_us=0)
            await read_side.elasticsearch.index(index=read_side.index, id=each, document=left)
        await _are_complete(read_side, ids, "Zoë", version=1)


async def test_a_change_that_cannot_be_looked_up_reaches_orders_at_once(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    settings["customer_pause_seconds"] = 0.5
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        complete = _publish(write_side, customer_id)
        await _are_complete(read_side, complete, "Zoë", version=1)
        await read_side.caught_up()
        await write_side.stop()
        pending = _publish(write_side, customer_id)
        for each in pending:
            await read_side.has(each, version=1, enrichment="PENDING")
        write_side.publish(write_side.record_customer(customer_id, "Zoe"))
        await _are_complete(read_side, complete, "Zoe", version=2)
        for each in pending:
            view = await read_side.has(each, enrichment="PENDING", customer_version=2)
            assert view.customer_name == "Zoe"
        write_side.publish(*write_side.record(*(confirmed(order_id=each) for each in pending)))
        for each in pending:
            await read_side.has(each, version=2, enrichment="PENDING", customer_version=2)
        await read_side.caught_up()
        await write_side.start()
        await _are_complete(read_side, pending, "Zoe", version=2)


def _publish(write_side: WriteSide, customer_id: str) -> list[str]:
    """Some orders."""
    ids = [str(uuid.uuid4()) for _ in range(_ORDERS)]
    write_side.publish(*write_side.record(*(created(order_id=each, customer_id=customer_id) for each in ids)))
    return ids


async def _are_pending(read_side: ReadSide, ids: list[str]) -> None:
    for each in ids:
        view = await read_side.has(each, version=1, enrichment="PENDING", customer_version=0)
        assert view.customer_name == ""


async def _are_complete(read_side: ReadSide, ids: list[str], name: str, *, version: int) -> None:
    for each in ids:
        view = await read_side.has(each, enrichment="COMPLETE", customer_version=version)
        assert view.customer_name == name
