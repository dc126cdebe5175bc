"""Child processes of the command server: started again when they die, gone when their parent is gone."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping

import structlog

from service_kit.settings import prometheus_port

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_LONG_RUN_SECONDS = 30.0
_EVERYWHERE = {"0.0.0.0", "[::]"}  # noqa: S104 -- only compared with
_log = structlog.get_logger("command_service.supervision")


RELAY_NUMBER, FULFILLMENT_NUMBER, FIRST_WORKER_NUMBER = 1, 2, 3
"""Of the children of a command server; see `supervise`."""


async def supervise(
    module: str, stop: asyncio.Event, *, number: int = RELAY_NUMBER, settings: Mapping[str, str] | None = None
) -> None:
    """Runs `python -m MODULE --supervised` until `stop` is set; starts it again, ever slower, if it ends before.

    A fresh interpreter, never a fork: gRPC does not survive one.

    Args:
        number: of the child, from 1: by so many its page of metrics, if there are such, is beyond its parent's port.
        settings: of the child, over those of this process.
    """
    own = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(prometheus_port() + number), **(settings or {})}
    environment = {**os.environ, **own}
    pause = _FIRST_PAUSE_SECONDS
    stopped = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        started = time.monotonic()
        # Its standard input is a pipe that nobody writes to: it closes when this process ends, however it ends.
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            "--supervised",
            stdin=asyncio.subprocess.PIPE,
            env=environment,
        )
        ended = asyncio.ensure_future(child.wait())
        await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            if child.returncode is None:
                child.terminate()
            await ended
            return
        ran_long = time.monotonic() - started > _LONG_RUN_SECONDS
        pause = _FIRST_PAUSE_SECONDS if ran_long else min(pause * 2, _LONGEST_PAUSE_SECONDS)
        _log.error("a child ended; starting it again", module=module, status=child.returncode, in_seconds=pause)
        await asyncio.wait({stopped}, timeout=pause)


async def supervise_fulfillment(listen_address: str, stop: asyncio.Event) -> None:
    """Runs the fulfillment process until `stop` is set.

    Args:
        listen_address: where its parent, or that one's workers, serve the commands that it gives.
    """
    host, _, port = listen_address.rpartition(":")
    address = f"127.0.0.1:{port}" if host in _EVERYWHERE else listen_address
    await supervise(
        "command_service.fulfillment",
        stop,
        number=FULFILLMENT_NUMBER,
        settings={"COMMAND_SERVICE_ADDRESS": address},
    )
