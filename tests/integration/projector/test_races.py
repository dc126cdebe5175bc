"""Orders and customers change at the same time, in several processes: each document ends with both as they are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial

import pytest
from redis.asyncio import Redis

from event_schemas import orders as order_events
from projector.cached_views import CachedViews
from projector.customers import Customers
from projector.documents import Documents
from projector.event_log import EventLog
from projector.events import CustomerEvent, OrderEvent
from projector.generations import Generations
from projector.patience import Patience
from projector.projection import OrderProjection
from read_models.read_model import ORDERS
from service_kit.grpc_channel import open_channel
from service_kit.view_cache import ViewCache
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.servers import REDIS_URL
from tests.unit.read_models.builders import confirmed, created, shipped

Process = Callable[[], OrderProjection]


@pytest.fixture
async def process(read_side: ReadSide, write_side: WriteSide) -> AsyncIterator[Process]:
    """Makes projections with nothing in memory, as those of several processes."""
    generations = Generations(read_side.elasticsearch, ORDERS, read_side.prefix)
    await generations.create_first()
    live = await generations.live()
    patience = Patience(asyncio.Event())
    async with open_channel(write_side.address) as channel, Redis.from_url(REDIS_URL) as redis:

        def make() -> OrderProjection:
            cache = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
            return OrderProjection(
                Documents(read_side.elasticsearch, live, patience, cached=100, now_us=lambda: 0),
                CachedViews(cache, generation=live.number, live=partial(generations.is_live, live)),
                Customers(channel, timeout_seconds=5),
                EventLog(channel, timeout_seconds=5),
                patience,
            )

        yield make


class _Order:
    """An order, its customer, and what happens to both."""

    def __init__(self, write_side: WriteSide, order_id: str, customer_id: str) -> None:
        self._write_side = write_side
        self.order_id = order_id
        self.customer_id = customer_id

    def rename(self, name: str) -> None:
        self._write_side.record_customer(self.customer_id, name)

    async def follow(self, projection: OrderProjection, version: int) -> None:
        events = {self.customer_id: [CustomerEvent(self.customer_id, version)]}
        assert await projection.follow_customers(events, {}) == {}

    async def project(self, projection: OrderProjection, version: int) -> None:
        """Brings the order's event of this version: it is created, confirmed, shipped."""
        events: list[order_events.OrderEvent] = [
            created(order_id=self.order_id, customer_id=self.customer_id),
            confirmed(order_id=self.order_id),
            shipped(order_id=self.order_id),
        ]
        event = OrderEvent(self.order_id, version, events[version - 1])
        assert await projection.project({self.order_id: [event]}, {}) == {}


@pytest.fixture
def order(write_side: WriteSide, order_id: str, customer_id: str) -> _Order:
    return _Order(write_side, order_id, customer_id)


@pytest.mark.parametrize("known_before", [False, True])
async def test_a_customer_who_changes_between_look_up_and_write_is_in_the_document(
    process: Process, write_side: WriteSide, read_side: ReadSide, order: _Order, *, known_before: bool
) -> None:
    if known_before:
        order.rename("Old")
    version = len(write_side.customers) + 1

    async def changes_and_is_followed_up() -> None:
        order.rename("New")
        await order.follow(process(), version)

    write_side.meanwhile = [changes_and_is_followed_up]
    await order.project(process(), 1)
    await read_side.has(order.order_id, version=1, customer_version=version, enrichment="COMPLETE")
    cached = await read_side.cached(order.order_id)
    assert cached
    assert cached.source_version == version


async def test_a_process_that_dies_before_its_second_look_leaves_it_to_the_repeat(
    process: Process, write_side: WriteSide, read_side: ReadSide, order: _Order
) -> None:
    dying: asyncio.Task[None]

    async def changes_and_is_followed_up() -> None:
        order.rename("New")
        await order.follow(process(), 1)

    async def nothing() -> None:
        """Happens during the follow-up's own look-up."""

    async def dies() -> None:
        dying.cancel()
        await asyncio.sleep(0.1)

    write_side.meanwhile = [changes_and_is_followed_up, nothing, dies]
    dying = asyncio.create_task(order.project(process(), 1))
    with pytest.raises(asyncio.CancelledError):
        await dying
    await read_side.has(order.order_id, enrichment="PENDING")
    await order.project(process(), 1)
    await read_side.has(order.order_id, version=1, customer_version=1, enrichment="COMPLETE")


async def test_a_customer_who_changes_after_the_write_is_in_the_document(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    await order.project(process(), 1)
    order.rename("New")
    await order.follow(process(), 1)
    await read_side.has(order.order_id, version=1, customer_version=1)


async def test_an_event_over_an_outdated_document_in_memory_keeps_the_changed_customer(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    order.rename("Old")
    slow = process()
    await order.project(slow, 1)
    order.rename("New")
    await order.follow(process(), 2)
    await order.project(slow, 2)
    await read_side.has(order.order_id, version=2, customer_version=2)


async def test_a_changed_customer_over_an_outdated_document_in_memory_keeps_the_newer_order(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    order.rename("Old")
    slow = process()
    await order.project(slow, 1)
    await order.project(process(), 2)
    order.rename("New")
    await order.follow(slow, 2)
    view = await read_side.has(order.order_id, version=2, customer_version=2, status="CONFIRMED")
    assert view.customer_name == "New"


async def test_a_slow_process_does_not_bring_an_order_back(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    slow, fast = process(), process()
    await order.project(slow, 1)
    await order.project(fast, 2)
    await order.project(fast, 3)
    before = await read_side.document(order.order_id)
    await order.project(slow, 2)
    assert await read_side.document(order.order_id) == before


async def test_processes_that_project_the_same_at_once_do_it_once(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    await asyncio.gather(*(order.project(process(), 1) for _ in range(5)))
    document = await read_side.document(order.order_id)
    assert document
    assert document["_seq_no"] == 0


async def test_a_crash_before_the_cache_was_written_is_made_good_by_the_repeat(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    order.rename("Old")
    await order.project(process(), 1)
    await read_side.forget_cached(order.order_id)
    await order.project(process(), 1)
    assert await read_side.cached(order.order_id)
    await read_side.forget_cached(order.order_id)
    await order.follow(process(), 1)
    assert await read_side.cached(order.order_id)
