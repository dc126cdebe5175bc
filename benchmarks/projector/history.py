"""Orders and their customers in a log, published by the relay of a command service that also serves that log."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import islice
from typing import Any

import psycopg
from google.protobuf.message import Message

from benchmarks.database import BenchDatabase
from benchmarks.processes import server
from benchmarks.relayed import all_published, remove_topics
from deploy.local.profile import Profile
from event_schemas.orders import OrderEvent
from orderflow.customers.v1 import customer_pb2
from orderflow.customers.v1 import events_pb2 as customer_events
from orderflow.events.v1.event_log_pb2 import EventMetadata
from orderflow.orders.v1 import views_pb2
from read_models.orders import ORDERS
from tests.support.eventually import eventually
from tests.unit.read_models.builders import at, confirmed, created, euros, item, item_added, paid, shipped

_ORDERS_A_CUSTOMER = 10
_CLOSE_TOGETHER = 10  # orders whose events are interleaved
_COLUMNS = ("int2", "uuid", "text", "int8", "text", "bytea", "bytea", "timestamptz")
_COPY = """
COPY event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
FROM STDIN (FORMAT BINARY)
"""
Row = tuple[int, uuid.UUID, str, int, str, bytes, bytes, datetime]


@dataclass(frozen=True, slots=True)
class Order:
    """An order, and whose it is."""

    id: str
    customer_id: str

    def events(self, count: int) -> Sequence[OrderEvent]:
        """The first so many of what happens to it, at most five."""
        lines = item(), item("SKU-2", "Green tea", 1)
        return (
            created(*lines, order_id=self.id, customer_id=self.customer_id, total=euros(30)),
            item_added(item("SKU-3", "Teapot", 1), euros(40), order_id=self.id),
            paid(euros(40), order_id=self.id),
            confirmed(order_id=self.id),
            shipped(order_id=self.id),
        )[:count]

    def document(self, count: int) -> dict[str, Any]:
        """What the projector makes of those events and the customer."""
        numbered = enumerate(self.events(count), start=1)
        view: views_pb2.OrderView | None = reduce(
            lambda before, each: ORDERS.evolve(before, each[1], each[0]), numbered, None
        )
        if view is None:
            raise ValueError("an order without events")
        return ORDERS.document(ORDERS.enrich(view, _customer(self.customer_id)), project_time_us=0)


@dataclass(frozen=True, slots=True)
class History:
    """A log that is published.

    Args:
        topic_prefix: of the topics.
        settings: of a projector that follows them; its index prefix is left to it.
    """

    orders: Sequence[Order]
    events_each: int
    topic_prefix: str
    settings: Mapping[str, str]

    @property
    def messages(self) -> int:
        """In all topics, and so events in the log."""
        return len(self.orders) * self.events_each + len({each.customer_id for each in self.orders})

    def documents(self) -> list[tuple[str, dict[str, Any]]]:
        """All documents, by their ids, as they are when all events are projected."""
        return [(each.id, each.document(self.events_each)) for each in self.orders]


@asynccontextmanager
async def history(bench: BenchDatabase, orders: int, events_each: int) -> AsyncIterator[History]:
    """So many orders with so many events each, stored and published; the command service runs meanwhile."""
    made = _orders(orders)
    prefix = f"bench-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(_store, bench, made, events_each)
    settings = {
        **Profile("test").environment(),
        "WRITE_DB_URL": bench.url,
        "WRITE_DB_OWNER_URL": bench.owner_url,
        "KAFKA_TOPIC_PREFIX": prefix,
    }
    try:
        async with server(["-m", "command_service"], settings) as (address, _):
            with psycopg.connect(bench.owner_url, autocommit=True) as owner:
                published = partial(asyncio.to_thread, all_published, owner)
                await eventually(published, within=600, what="the end of the log")
            yield History(made, events_each, prefix, {**settings, "COMMAND_SERVICE_ADDRESS": address})
    finally:
        remove_topics(prefix)


def _orders(count: int) -> Sequence[Order]:
    customers = [str(uuid.uuid4()) for _ in range(count // _ORDERS_A_CUSTOMER)]
    return [Order(str(uuid.uuid4()), customers[number % len(customers)]) for number in range(count)]


def _store(bench: BenchDatabase, orders: Sequence[Order], events_each: int) -> None:
    with (
        psycopg.connect(bench.owner_url, autocommit=True) as owner,
        owner.cursor() as cursor,
        cursor.copy(_COPY) as copy,
    ):
        copy.set_types(_COLUMNS)
        for row in _rows(orders, events_each):
            copy.write_row(row)


def _rows(orders: Sequence[Order], events_each: int) -> Iterator[Row]:
    now = datetime.now(UTC)
    metadata = EventMetadata(principal="anonymous", command_type="orderflow.orders.v1.CreateOrderRequest")
    for aggregate_type, id_, version, event in _events(orders, events_each):
        name, data = event.DESCRIPTOR.full_name, event.SerializeToString()
        yield 0, uuid.UUID(id_), aggregate_type, version, name, data, metadata.SerializeToString(), now


def _events(orders: Iterable[Order], events_each: int) -> Iterator[tuple[str, str, int, Message]]:
    left = iter(orders)
    known: set[str] = set()
    while some := list(islice(left, _CLOSE_TOGETHER)):
        for customer_id in {each.customer_id for each in some} - known:
            known.add(customer_id)
            yield "customer", customer_id, 1, _registered(customer_id)
        for version, events in enumerate(zip(*(each.events(events_each) for each in some), strict=True), start=1):
            for event in events:
                yield "order", event.order_id, version, event


def _registered(customer_id: str) -> customer_events.CustomerRegistered:
    customer = _customer(customer_id)
    personal_data = customer_events.CustomerPersonalData(name=customer.name, email=customer.email)
    return customer_events.CustomerRegistered(customer_id=customer_id, personal_data=personal_data, register_time=at(0))


def _customer(customer_id: str) -> customer_pb2.Customer:
    return customer_pb2.Customer(customer_id=customer_id, name="Zoë Łukasz", email="zoe.lukasz@example.com", version=1)
