"""`python -m benchmarks.projector.memory`: the memory that projecting a million events takes against ten thousand."""

import argparse
import asyncio

from benchmarks.database import bench_database
from benchmarks.figures import ROUNDS, Figure, show
from benchmarks.projector.history import History, history
from benchmarks.projector.projector import projector

_SMALL = 10_000
_LARGE = 1_000_000
_EVENTS_EACH = 5
_MEGABYTE = 1024 * 1024


async def _measure(large: int, rounds: int) -> None:
    async with (
        bench_database() as small_bench,
        bench_database() as large_bench,
        history(small_bench, _SMALL // _EVENTS_EACH, _EVENTS_EACH) as small,
        history(large_bench, large // _EVENTS_EACH, _EVENTS_EACH) as much,
    ):
        pairs = []
        for number in range(1, rounds + 1):
            pairs.append((await _most_memory(much), await _most_memory(small)))
            print(f"round {number}: {_shown(*pairs[-1])}", flush=True)
    values = tuple(above / below for above, below in pairs)
    middle = sorted(pairs, key=lambda each: each[0] / each[1])[rounds // 2]
    name = f"memory while projecting {large:,} events / {_SMALL:,}"
    show([Figure(name, values, 1.2, at_least=False, detail=_shown(*middle))])


async def _most_memory(history: History) -> int:
    """Most bytes that a projector's process has resident while it projects the history."""
    async with projector(history) as ours:
        await ours.has_finished(history.messages)
        return ours.most_memory()


def _shown(large: int, small: int) -> str:
    return f"{large / _MEGABYTE:,.0f} MB against {small / _MEGABYTE:,.0f} MB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.projector.memory", description=__doc__)
    parser.add_argument("--events", type=int, default=_LARGE, help=f"in the large backlog (default: {_LARGE:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"(default: {ROUNDS})")
    given = parser.parse_args()
    asyncio.run(_measure(given.events, given.rounds))
