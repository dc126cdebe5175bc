"""Child processes of the command server: started again when they die, gone when their parent is gone."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import structlog

from service_kit.settings import prometheus_port

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_LONG_RUN_SECONDS = 30.0
_log = structlog.get_logger("command_service.supervision")


async def supervise(module: str, stop: asyncio.Event, arguments: Sequence[str] = (), *, number: int = 1) -> None:
    """Runs `python -m MODULE --supervised` until `stop` is set; starts it again, ever slower, if it ends before.

    A fresh interpreter, never a fork: gRPC does not survive one.

    Args:
        number: of the child, from 1: by so many its page of metrics, if there are such, is beyond its parent's port.
    """
    environment = {**os.environ, "OTEL_EXPORTER_PROMETHEUS_PORT": str(prometheus_port() + number)}
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
            *arguments,
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
