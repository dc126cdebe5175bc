"""What every service process does at its start and end: logs, telemetry, signals, one line for a fatal error."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import structlog

from service_kit import fail_points, logs
from service_kit.settings import ProcessSettings
from service_kit.telemetry import telemetry

_COLLECTED_AFTER = (10_000, 20, 20)
_log = structlog.get_logger("service_kit.process")


def run(
    name: str,
    settings: ProcessSettings,
    serve: Callable[[asyncio.Event], Awaitable[None]],
    *,
    watch_stdin: bool = False,
) -> None:
    """Runs `serve` until SIGTERM or SIGINT sets its event and it returns; exits with 1 if it raises.

    Args:
        name: the process's `service.name`.
        settings: the checked settings.
        serve: the composition root; must return soon after its event is set.
        watch_stdin: stop, too, when standard input closes: a parent holds its other end.
    """
    logs.configure(settings.log_level)
    fail_points.arm(settings.fail_point)
    _collect_garbage_seldom()
    with telemetry(name):
        try:
            asyncio.run(_until_stopped(serve, watch_stdin=watch_stdin))
        except Exception as failure:  # noqa: BLE001
            for each in _leaves(failure):
                _log.critical("stopped by an error", error=str(each), exc_info=each)
            sys.exit(1)
        _log.info("ended in good order")


def _collect_garbage_seldom() -> None:
    """Keeps the collector from looking at all modules and contracts over and over, a tenth of a second each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


async def _until_stopped(serve: Callable[[asyncio.Event], Awaitable[None]], *, watch_stdin: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if watch_stdin:
        threading.Thread(target=_set_at_end_of_input, args=(loop, stop), daemon=True).start()
    await serve(stop)


def _set_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin's buffer: its lock would outlive the interpreter
        pass
    loop.call_soon_threadsafe(stop.set)


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, out of the groups that task groups wrap them in."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in _leaves(each)]
