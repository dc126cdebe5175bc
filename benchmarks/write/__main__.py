"""`python -m benchmarks.write`: the write side's figures, on the test profile's servers."""

import asyncio

from benchmarks.database import bench_database
from benchmarks.figures import show
from benchmarks.write.appends import in_process_appends
from benchmarks.write.commands import commands_against_echo, latency_at_half_load


async def _measure() -> None:
    async with bench_database() as bench:
        figures = [
            await in_process_appends(bench),
            await commands_against_echo(bench, 1, 0.55),
            await commands_against_echo(bench, 2, 0.65),
            await latency_at_half_load(bench),
        ]
    show(figures)


if __name__ == "__main__":
    asyncio.run(_measure())
