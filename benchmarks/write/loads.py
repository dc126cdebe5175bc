"""Loading an aggregate with a long history against one with a short history."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from benchmarks.database import BenchDatabase
from benchmarks.figures import Figure, interleaved
from command_service.event_store.database import Database
from command_service.event_store.postgres import PostgresEventStore
from command_service.handler import CommandHandler
from command_service.orders.aggregate import order_aggregate
from command_service.orders.state import Order
from orderflow.orders.v1 import commands_pb2 as commands
from tests.support.orders import add, create, item, remove

_LOADS = 400


async def load_of_a_long_history(bench: BenchDatabase) -> Figure:
    """Orders of 10,000 and of 10 events, loaded by a process that has no state at hand."""
    async with (
        Database(bench.url, max_connections=4) as database,
        PostgresEventStore(database, 1, max_waiting=1000) as store,
    ):
        long, short = str(uuid.uuid4()), str(uuid.uuid4())
        for order_id, events in ((long, 10_000), (short, 10)):
            await _lengthen(_handler(store), order_id, events)
        await _settle(store, long)

        async def rate(order_id: str) -> float:
            handler = _handler(store)
            begin = time.perf_counter()
            for _ in range(_LOADS):
                await handler.state_of(uuid.UUID(order_id))
            return _LOADS / (time.perf_counter() - begin)

        values, detail = await interleaved(partial(rate, short), partial(rate, long))
    name = "loading 10,000 events with snapshots / loading 10"
    return Figure(name, values, 1.5, at_least=False, detail=f"{detail} loads of the short and the long one")


def _handler(store: PostgresEventStore) -> CommandHandler[Order]:
    return CommandHandler(
        order_aggregate(timedelta(days=5)),
        store,
        cached_states=10,
        clock=partial(datetime.now, UTC),
        new_id=uuid.uuid4,
    )


async def _lengthen(handler: CommandHandler[Order], order_id: str, events: int) -> None:
    """Creates an order and adds and removes a line until it has so many events."""
    await _handle(handler, create(item("20.00"), order_id=order_id))
    for number in range(events - 1):
        command = remove(sku="INK", order_id=order_id) if number % 2 else add(item(sku="INK"), order_id=order_id)
        await _handle(handler, command)


async def _settle(store: PostgresEventStore, order_id: str) -> None:
    """Lets another process work on the order until it is half way to the next snapshot, as on average."""
    await _handle(_handler(store), add(item(sku="INK"), order_id=order_id))
    for _ in range(7):
        other = _handler(store)
        await _handle(other, remove(sku="INK", order_id=order_id))
        await _handle(other, add(item(sku="INK"), order_id=order_id))


async def _handle(handler: CommandHandler[Order], command: Any) -> None:
    answer = getattr(commands, type(command).__name__.replace("Request", "Response"))
    await handler.handle(command, answer)
