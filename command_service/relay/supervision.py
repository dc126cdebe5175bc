"""The relay as a child of the command server: started again when it dies, gone when its parent is gone."""

import asyncio
import sys
import time

import structlog

_LONGEST_PAUSE_SECONDS = 10.0
_LONG_RUN_SECONDS = 30.0
_log = structlog.get_logger("command_service.relay")


async def supervise_relay(stop: asyncio.Event) -> None:
    """Runs `python -m command_service.relay` until `stop` is set, starting it again, ever slower, if it ends."""
    pause = 0.2
    while not stop.is_set():
        started = time.monotonic()
        # Its standard input is a pipe that nobody writes to: it closes when this process ends, however it ends.
        relay = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "command_service.relay", "--supervised", stdin=asyncio.subprocess.PIPE
        )
        stopped, ended = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(relay.wait())
        await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            if relay.returncode is None:
                relay.terminate()
            await ended
            return
        pause = 0.2 if time.monotonic() - started > _LONG_RUN_SECONDS else min(pause * 2, _LONGEST_PAUSE_SECONDS)
        _log.error("the relay ended; starting it again", status=relay.returncode, in_seconds=pause)
        ended.cancel()
        await asyncio.wait({stopped}, timeout=pause)
        stopped.cancel()
