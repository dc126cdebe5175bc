"""What every service process does at its start and end: logs, telemetry, signals, one line for a fatal error."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from service_kit import logs
from service_kit.settings import ServiceSettings
from service_kit.telemetry import telemetry

_log = structlog.get_logger("service_kit.process")


def run(name: str, settings: ServiceSettings, serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Runs `serve` until SIGTERM or SIGINT sets its event and it returns; exits with 1 if it raises.

    Args:
        name: the process's `service.name`.
        settings: the checked settings.
        serve: the composition root; must return soon after its event is set.
    """
    logs.configure(settings.log_level)
    with telemetry(name):
        try:
            asyncio.run(_until_stopped(serve))
        except Exception as failure:  # noqa: BLE001
            for each in _leaves(failure):
                _log.critical("stopped by an error", error=str(each), exc_info=each)
            sys.exit(1)


async def _until_stopped(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(stop)


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, out of the groups that task groups wrap them in."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in _leaves(each)]
