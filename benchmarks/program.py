"""The program of a set of figures: measures those that are named, one after the other."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks.figures import Figure, show

Measurement = Callable[[], Awaitable[Figure]]


def run(program: str, description: str | None, measurements: Mapping[str, Measurement]) -> None:
    """Measures what the command line names, or all, and shows it."""
    parser = argparse.ArgumentParser(program, description=description)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(measurements)}; all by default")
    chosen = parser.parse_args().names or list(measurements)
    if unknown := set(chosen) - set(measurements):
        parser.error(f"no figure {', '.join(sorted(unknown))}")
    show(asyncio.run(_measure([(name, measurements[name]) for name in chosen])))


async def _measure(chosen: Sequence[tuple[str, Measurement]]) -> list[Figure]:
    figures = []
    for name, measure in chosen:
        print(f"measuring {name} ...", flush=True)
        figures.append(await measure())
    return figures
