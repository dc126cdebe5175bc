"""Repeats work while a neighbor is away."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from projector.errors import Outage

Returned = TypeVar("Returned")
_log = structlog.get_logger("projector")


class Patience:
    """Tries again for as long as an outage lasts, or until the process is to stop.

    Args:
        stop: set when the process is to stop; what then fails is not tried again.
        longest_wait_seconds: between two tries; the waits grow up to it, with jitter.
        at_outage: called whenever work has failed in an outage, before it is tried again or given up.
    """

    def __init__(
        self,
        stop: asyncio.Event,
        *,
        longest_wait_seconds: float = 5.0,
        at_outage: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._stop = stop
        self._at_outage = at_outage
        self._wait = wait_random_exponential(multiplier=0.05, max=longest_wait_seconds)

    async def until_done(self, work: Callable[[], Awaitable[Returned]]) -> Returned:
        """What the work answers, once it does; it must be safe to repeat.

        Raises:
            Outage: the process is to stop, and the last try failed.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=self._wait,
            stop=lambda _: self._stop.is_set(),
            sleep=self._sleep,
            before_sleep=_say,
            reraise=True,
        )
        return await retrying(partial(self._try, work))

    async def _try(self, work: Callable[[], Awaitable[Returned]]) -> Returned:
        try:
            return await work()
        except Outage:
            if self._at_outage is not None:
                await self._at_outage()
            raise

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def _say(state: RetryCallState) -> None:
    cause = state.outcome.exception() if state.outcome else None
    _log.warning("trying again", cause=f"{type(cause).__name__}: {cause}", attempt=state.attempt_number)
