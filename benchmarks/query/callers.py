"""Many callers at once, in this process."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from benchmarks.ghz import CONCURRENCY


async def median_seconds(call: Callable[[int], Awaitable[None]], calls: int) -> float:
    """Of so many calls, made by concurrent callers; each is told its number."""
    left = iter(range(calls))
    took: list[float] = []

    async def caller() -> None:
        for number in left:
            begin = time.perf_counter()
            await call(number)
            took.append(time.perf_counter() - begin)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return statistics.median(took)
