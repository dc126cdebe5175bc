"""Projecting a backlog in Kafka against raw streaming bulk of the documents that come of it."""

import asyncio
import time

from benchmarks.database import BenchDatabase
from benchmarks.figures import Figure, interleaved
from benchmarks.projector import raw_bulk
from benchmarks.projector.history import History, history
from benchmarks.projector.projector import projector

_ORDERS = 30_000


async def backlog_of_new_orders(bench: BenchDatabase) -> Figure:
    """One event an order: as many documents as events."""
    return await _backlog(bench, "new orders", events_each=1, reach=0.6)


async def backlog_of_changed_orders(bench: BenchDatabase) -> Figure:
    """Five events an order, close together; events a second against documents a second."""
    return await _backlog(bench, "5 events an order, in events a second,", events_each=5, reach=2.0)


async def projected(history: History) -> float:
    """Messages that a projector finishes a second, from when it has finished the first ones."""
    async with projector(history) as ours:
        before = await ours.has_finished(1)
        begin = time.perf_counter()
        finished = await ours.has_finished(history.messages)
        return (finished - before) / (time.perf_counter() - begin)


async def _backlog(bench: BenchDatabase, what: str, *, events_each: int, reach: float) -> Figure:
    async with history(bench, _ORDERS, events_each) as published:
        documents = await asyncio.to_thread(published.documents)

        async def limit() -> float:
            return await asyncio.to_thread(raw_bulk.stream, documents, found_at_once=True)

        values, detail = await interleaved(lambda: projected(published), limit)
    return Figure(f"projecting a backlog of {what} / raw streaming bulk of the documents", values, reach, detail=detail)
