"""`python -m benchmarks.query.large`: what a million orders cost against ten thousand."""

import argparse
import asyncio

from benchmarks.figures import show
from benchmarks.query.growth import SMALL, latency_of_get, latency_of_list, memory_of_a_stream
from benchmarks.query.served import index

_LARGE = 1_000_000


async def _measure(orders: int) -> None:
    async with index(SMALL) as small, index(orders) as large:
        figures = []
        for compare in (memory_of_a_stream, latency_of_get, latency_of_list):
            print(f"measuring {compare.__name__} ...", flush=True)
            figures.append(await compare(large, small))
    show(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.query.large", description=__doc__)
    parser.add_argument("--orders", type=int, default=_LARGE, help=f"in the large index (default: {_LARGE:,})")
    asyncio.run(_measure(parser.parse_args().orders))
