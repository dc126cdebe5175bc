"""`python -m benchmarks.write [NAME ...]`: the write side's figures, on the test profile's servers."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from benchmarks.database import BenchDatabase, bench_database
from benchmarks.figures import Figure, show
from benchmarks.write.appends import in_process_appends
from benchmarks.write.commands import (
    commands_against_a_peer,
    commands_against_echo,
    goodput_under_overload,
    latency_at_half_load,
)
from benchmarks.write.loads import load_of_a_long_history
from benchmarks.write.relay import relay_of_a_backlog

_FIGURES: dict[str, Callable[[BenchDatabase], Awaitable[Figure]]] = {
    "appends": in_process_appends,
    "echo": partial(commands_against_echo, processes=1, reach=0.55),
    "echo-2": partial(commands_against_echo, processes=2, reach=0.65),
    "peer": commands_against_a_peer,
    "relay": relay_of_a_backlog,
    "latency": latency_at_half_load,
    "overload": goodput_under_overload,
    "load": load_of_a_long_history,
}


async def _measure(names: Sequence[str]) -> None:
    figures = []
    for name in names:
        async with bench_database() as bench:
            print(f"measuring {name} ...", flush=True)
            figures.append(await _FIGURES[name](bench))
    show(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.write", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(_FIGURES)}; all by default")
    chosen = parser.parse_args().names or list(_FIGURES)
    if unknown := set(chosen) - set(_FIGURES):
        parser.error(f"no figure {', '.join(sorted(unknown))}")
    asyncio.run(_measure(chosen))
