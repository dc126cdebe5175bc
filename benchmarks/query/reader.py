"""`python -m benchmarks.query.reader ADDRESS LIMIT`: a client that reads a list to its end, in a process of its own."""

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc

from orderflow.orders.v1 import queries_pb2, query_service_pb2_grpc


@dataclass(frozen=True, slots=True)
class Reading:
    """How it went.

    Args:
        seconds: from the call to the end.
        growth: bytes that the client's process had resident at most, beyond what it had before the call.
    """

    orders: int
    seconds: float
    growth: int


async def read_in_a_process(address: str, limit: int) -> Reading:
    """The newest orders, so many, read by a process that does nothing else.

    Raises:
        RuntimeError: there are fewer.
    """
    arguments = ("-m", "benchmarks.query.reader", address, str(limit))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    reading = Reading(**json.loads(output))
    if reading.orders != limit:
        raise RuntimeError(f"{reading.orders} orders instead of {limit}")
    return reading


def resident(process_id: int) -> int:
    """Bytes that a process has resident."""
    return _status(process_id, "VmRSS")


def most_resident(process_id: int) -> int:
    """Bytes that a process had resident at any time until now, at most."""
    return _status(process_id, "VmHWM")


def _status(process_id: int, name: str) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024


async def _read(address: str, limit: int) -> Reading:
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        queries = query_service_pb2_grpc.OrderQueryServiceStub(channel)
        before, orders, begin = resident(os.getpid()), 0, time.perf_counter()
        async for chunk in queries.ListOrders(queries_pb2.ListOrdersRequest(limit=limit)):
            orders += len(chunk.orders)
        return Reading(orders, time.perf_counter() - begin, most_resident(os.getpid()) - before)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_read(sys.argv[1], int(sys.argv[2]))))))
