"""Our own processes, started for a benchmark."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def server(arguments: Sequence[str], settings: Mapping[str, str]) -> AsyncIterator[tuple[str, int]]:
    """A Python process that serves gRPC; its address and its id, as soon as it listens."""
    address = free_address()
    process = await start(arguments, {"LOG_LEVEL": "WARNING", **settings, "GRPC_LISTEN_ADDRESS": address})
    try:
        await listening(address)
        yield address, process.pid
    finally:
        await stop([process])


async def start(arguments: Sequence[str], settings: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Starts Python with these arguments, in the work tree."""
    environment = {**os.environ, **settings}
    root = Path(__file__).parents[1]
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, cwd=root)


async def stop(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Tells processes to end, and returns when all have."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    await asyncio.gather(*(process.wait() for process in processes))


async def listening(address: str) -> None:
    """Returns when somebody listens there.

    Raises:
        TimeoutError: nobody did in time.
    """
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def free_address() -> str:
    """An address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
