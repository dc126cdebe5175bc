"""Repeats what looks at the projection from outside: whatever happens to it, the projection goes on."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from projector.errors import Outage
from projector.tracing import silent

_log = structlog.get_logger("projector")


async def again_and_again(work: Callable[[], Awaitable[object]], name: str, *, pause_seconds: float) -> None:
    """Does work after each pause until it is cancelled, without spans; of failures in a row the first one is logged."""
    failed = False
    while True:
        await asyncio.sleep(pause_seconds)
        try:
            with silent():
                await work()
        except Outage as cause:
            if not failed:
                _log.info(f"no {name} in an outage", cause=f"{type(cause).__name__}: {cause}")
            failed = True
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is no reason to stop the projection
            if not failed:
                _log.exception(f"{name} failed", error=type(error).__name__)
            failed = True
        else:
            failed = False
