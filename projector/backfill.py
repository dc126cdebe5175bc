"""Completes, in time, the documents that were written while their customers could not be looked up."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from projector.enrichment import Enrichment
from projector.errors import Outage

_PAUSE_SECONDS = 1.0
_MOST_SHARE = 0.05
_log = structlog.get_logger("projector")
_tracer = trace.get_tracer("projector")


class Backfill:
    """Looks for pending documents of one generation: at the beginning, after some were made, and now and then.

    What is to be done is in the documents alone, so nothing is forgotten, whoever dies. Several processes may do the
    same at once.

    Args:
        seconds: between looks for what others have left behind. Where many documents stay pending, as their customers
            do not exist, it looks so seldom that no more than a twentieth of the time goes there.
        shown: gives the context in which spans are made, or not.
    """

    def __init__(
        self, enrichment: Enrichment[Any], *, seconds: float, shown: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._enrichment = enrichment
        self._seconds = seconds
        self._shown = shown
        self._held_up = False

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            began = time.monotonic()
            self._enrichment.owing.clear()  # before the search: what is made after it sets it again
            with self._shown():
                await self._look()
            took = time.monotonic() - began
            await asyncio.sleep(_PAUSE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enrichment.owing.wait(), max(self._seconds, took / _MOST_SHARE))

    async def _look(self) -> None:
        try:
            with _tracer.start_as_current_span("complete pending documents", Context()):
                completed = await self._enrichment.complete()
        except Outage as outage:
            self._enrichment.owing.set()
            if not self._held_up:
                _log.warning("pending documents cannot be completed now", cause=str(outage))
            self._held_up = True
        except Exception as error:  # noqa: BLE001 -- whatever it is, the projection goes on without it
            _log.exception("pending documents cannot be completed", error=type(error).__name__)
        else:
            self._held_up = False
            if completed:
                _log.info("pending documents completed", count=completed)
