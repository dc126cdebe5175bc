"""Orders and customers change at the same time, in several processes: each document ends with both as they are."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import permutations

import pytest
from redis.asyncio import Redis

from event_schemas import orders as order_events
from orderflow.customers.v1 import events_pb2 as customer_events
from orderflow.orders.v1.views_pb2 import OrderView
from projector.cached_views import CachedViews
from projector.customer_changes import CustomerChanges
from projector.customers import Customers, CustomersById
from projector.documents import Documents
from projector.enrichment import Enrichment
from projector.errors import CustomersAway
from projector.event_log import EventLog
from projector.events import ReadableEvent
from projector.generations import Generations
from projector.patience import Patience
from projector.personal_data import PersonalData
from projector.projection import Projection
from read_models.orders import ORDERS
from service_kit.grpc_channel import open_channel
from service_kit.view_cache import ViewCache
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.servers import REDIS_URL
from tests.unit.read_models.builders import confirmed, created, shipped


class _Customers(Customers):
    """CustomerService, from which this process may be cut off."""

    away = False

    async def get(self, customer_ids: Iterable[str]) -> CustomersById:
        """As it is, unless it is away."""
        ids = list(customer_ids)
        if self.away and ids:
            raise CustomersAway("on purpose")
        return await super().get(ids)


@dataclass(frozen=True)
class _Process:
    """What one process has."""

    projection: Projection[OrderView]
    changes: CustomerChanges
    enrichment: Enrichment[OrderView]
    customers: _Customers


Process = Callable[[], _Process]


@pytest.fixture
async def process(read_side: ReadSide, write_side: WriteSide) -> AsyncIterator[Process]:
    """Makes processes with nothing in memory."""
    generations = Generations(read_side.elasticsearch, ORDERS, read_side.prefix)
    await generations.create_first()
    live = await generations.live()
    patience = Patience(asyncio.Event())
    async with open_channel(write_side.address) as channel, Redis.from_url(REDIS_URL) as redis:

        def make() -> _Process:
            cache = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
            documents = Documents(ORDERS, read_side.elasticsearch, live, patience, cached=100, now_us=lambda: 0)
            views = CachedViews(ORDERS, cache, generation=live.number, live=partial(generations.is_live, live))
            personal_data = PersonalData(channel, timeout_seconds=5, pause_seconds=1)
            customers = _Customers(channel, timeout_seconds=5, pause_seconds=1, cached=100)
            enrichment = Enrichment(ORDERS, documents, views, customers, personal_data)
            event_log = EventLog(channel, timeout_seconds=5)
            projection = Projection(ORDERS, documents, event_log, patience, views=views, enrichment=enrichment)
            return _Process(projection, CustomerChanges(enrichment), enrichment, customers)

        yield make


class _Order:
    """An order, its customer, and what happens to both."""

    def __init__(self, write_side: WriteSide, order_id: str, customer_id: str) -> None:
        self._write_side = write_side
        self.order_id = order_id
        self.customer_id = customer_id

    def rename(self, name: str) -> None:
        self._write_side.record_customer(self.customer_id, name)

    async def follow(self, process: _Process, version: int) -> None:
        personal = customer_events.CustomerPersonalData(name=f"of version {version}")
        event = customer_events.CustomerUpdated(customer_id=self.customer_id, personal_data=personal)
        events = {self.customer_id: [ReadableEvent("customer", self.customer_id, version, event)]}
        assert await process.changes.project(events, {}) == {}

    async def project(self, process: _Process, version: int) -> None:
        """Brings the order's event of this version: it is created, confirmed, shipped."""
        events: list[order_events.OrderEvent] = [
            created(order_id=self.order_id, customer_id=self.customer_id),
            confirmed(order_id=self.order_id),
            shipped(order_id=self.order_id),
        ]
        event = ReadableEvent("order", self.order_id, version, events[version - 1])
        assert await process.projection.project({self.order_id: [event]}, {}) == {}


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

    async def dies() -> None:
        dying.cancel()
        await asyncio.sleep(0.1)

    write_side.meanwhile = [changes_and_is_followed_up, dies]
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


async def test_a_new_order_whose_customer_cannot_be_looked_up_is_pending_and_completed_later(
    process: Process, read_side: ReadSide, order: _Order
) -> None:
    order.rename("Zoë")
    cut_off = process()
    cut_off.customers.away = True
    await order.project(cut_off, 1)
    await read_side.has(order.order_id, enrichment="PENDING", customer_version=0)
    assert cut_off.enrichment.owing.is_set()
    assert await process().enrichment.complete() == 1
    view = await read_side.has(order.order_id, enrichment="COMPLETE", customer_version=1)
    assert view.customer_name == "Zoë"
    assert await process().enrichment.complete() == 0


async def test_a_customer_who_changes_before_a_write_after_which_the_look_fails_is_not_forgotten(
    process: Process, write_side: WriteSide, read_side: ReadSide, order: _Order
) -> None:
    order.rename("Old")
    slow = process()

    async def changes_and_is_followed_up() -> None:
        order.rename("New")
        await order.follow(process(), 2)
        slow.customers.away = True

    write_side.meanwhile = [changes_and_is_followed_up]
    await order.project(slow, 1)
    view = await read_side.has(order.order_id, enrichment="PENDING", customer_version=1)
    assert view.customer_name == "Old"
    assert slow.enrichment.owing.is_set()
    await process().enrichment.complete()
    view = await read_side.has(order.order_id, enrichment="COMPLETE", customer_version=2)
    assert view.customer_name == "New"


async def test_a_late_repeat_of_a_customers_older_change_does_not_make_a_pending_order_complete(
    process: Process, write_side: WriteSide, read_side: ReadSide, order: _Order
) -> None:
    order.rename("Old")
    slow, late = process(), process()
    late.customers.away = True

    async def changes_twice_and_is_followed_up() -> None:
        order.rename("Newer")
        order.rename("Newest")
        await order.follow(process(), 2)
        await order.follow(process(), 3)
        slow.customers.away = True

    write_side.meanwhile = [changes_twice_and_is_followed_up]
    await order.project(slow, 1)
    await order.follow(late, 2)
    await read_side.has(order.order_id, enrichment="PENDING", customer_version=2)
    await process().enrichment.complete()
    await read_side.has(order.order_id, enrichment="COMPLETE", customer_version=3)


async def test_an_outdated_customer_in_memory_does_not_stay_in_a_new_order(
    process: Process, read_side: ReadSide, order: _Order, write_side: WriteSide
) -> None:
    order.rename("Old")
    slow = process()
    await order.project(slow, 1)
    order.rename("New")
    await order.follow(process(), 2)
    another = _Order(write_side, str(uuid.uuid4()), order.customer_id)
    await another.project(slow, 1)
    view = await read_side.has(another.order_id, enrichment="COMPLETE", customer_version=2)
    assert view.customer_name == "New"


async def test_an_outdated_customer_in_memory_does_not_bring_a_pending_order_back(
    process: Process, read_side: ReadSide, order: _Order, write_side: WriteSide
) -> None:
    order.rename("Old")
    slow, cut_off = process(), process()
    cut_off.customers.away = True
    await _Order(write_side, str(uuid.uuid4()), order.customer_id).project(slow, 1)
    await order.project(cut_off, 1)
    order.rename("New")
    await order.follow(cut_off, 2)
    view = await read_side.has(order.order_id, enrichment="PENDING", customer_version=2)
    assert view.customer_name == "of version 2"
    slow.customers.away = True
    await order.project(slow, 2)
    await read_side.has(order.order_id, version=2, enrichment="PENDING", customer_version=2)
    slow.customers.away = False
    await order.project(slow, 3)
    await read_side.has(order.order_id, version=3, enrichment="COMPLETE", customer_version=2)


@pytest.mark.parametrize("look", [0, 1], ids=["first look", "second look"])
@pytest.mark.parametrize("followed_without_a_look", [False, True])
async def test_a_customer_who_changes_while_a_pending_order_is_completed_is_in_the_document(
    *,
    process: Process,
    write_side: WriteSide,
    read_side: ReadSide,
    order: _Order,
    look: int,
    followed_without_a_look: bool,
) -> None:
    order.rename("Old")
    cut_off, follower = process(), process()
    cut_off.customers.away = True
    follower.customers.away = followed_without_a_look
    await order.project(cut_off, 1)

    async def nothing() -> None:
        """Happens during the look before."""

    async def changes_and_is_followed_up() -> None:
        order.rename("New")
        await order.follow(follower, 2)

    write_side.meanwhile = [*[nothing] * look, changes_and_is_followed_up]
    await process().enrichment.complete()
    await process().enrichment.complete()
    await read_side.has(order.order_id, version=1, enrichment="COMPLETE", customer_version=2)


@pytest.mark.parametrize("look", [0, 1], ids=["first look", "second look"])
async def test_an_event_that_comes_while_a_pending_order_is_completed_is_in_the_document(
    *, process: Process, write_side: WriteSide, read_side: ReadSide, order: _Order, look: int
) -> None:
    order.rename("Old")
    cut_off = process()
    cut_off.customers.away = True
    await order.project(cut_off, 1)

    async def nothing() -> None:
        """Happens during the look before."""

    async def goes_on() -> None:
        await order.project(cut_off, 2)

    write_side.meanwhile = [*[nothing] * look, goes_on]
    await process().enrichment.complete()
    await read_side.has(order.order_id, version=2, status="CONFIRMED", enrichment="COMPLETE", customer_version=1)


def _orders_of_steps() -> list[tuple[str, ...]]:
    """All in which what ends has begun, and something happens while customers are away."""
    steps = ("create", "change", "follow", "away", "back", "complete")
    pairs = [("change", "follow"), ("away", "back")]
    found = [each for each in permutations(steps) if all(each.index(a) < each.index(b) for a, b in pairs)]
    return [each for each in found if each.index("back") - each.index("away") > 1]


@pytest.mark.timeout(300)
async def test_in_whatever_order_things_happen_a_change_reaches_the_document(
    process: Process, write_side: WriteSide, read_side: ReadSide
) -> None:
    """In every other order of steps each step is another process's."""
    for number, steps in enumerate(_orders_of_steps()):
        order = _Order(write_side, str(uuid.uuid4()), str(uuid.uuid4()))
        order.rename("Old")
        one = process()
        for step in steps:
            if number % 2:
                was_away, one = one.customers.away, process()
                one.customers.away = was_away
            match step:
                case "create":
                    await order.project(one, 1)
                case "change":
                    order.rename("New")
                case "follow":
                    await order.follow(one, 2)
                case "complete" if not one.customers.away:
                    await one.enrichment.complete()
                case _:
                    one.customers.away = step == "away"
        await one.enrichment.complete()
        document = await read_side.document(order.order_id)
        assert document
        assert (document["customer_version"], document["enrichment"]) == (2, "COMPLETE"), steps
