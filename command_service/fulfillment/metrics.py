"""What fulfillment tells of all that is open, whichever process looks at it."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from command_service.errors import StoreUnavailable
from command_service.fulfillment.open_fulfillments import Figures, OpenFulfillments

_READ_SECONDS = 5.0
_VALID_SECONDS = 30.0
_STEP = "orderflow.fulfillment.step"
_log = structlog.get_logger("command_service.fulfillment")


class OpenMetrics:
    """Reads the figures now and then; while the database is away there are no values."""

    def __init__(self, meter: Meter, open_fulfillments: OpenFulfillments) -> None:
        self._open = open_fulfillments
        self._last: tuple[float, Sequence[Figures]] = (0.0, ())
        meter.create_observable_gauge(
            "orderflow.fulfillment.open",
            [self._observe_open],
            unit="{order}",
            description="Orders that are not finished, by the step at which they were last seen.",
        )
        meter.create_observable_gauge(
            "orderflow.fulfillment.overdue.age",
            [self._observe_overdue],
            unit="s",
            description="For how long the order that is most overdue should have been looked at.",
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Reads every few seconds until `stop` is set."""
        while not stop.is_set():
            try:
                self._last = time.monotonic(), await self._open.figures()
            except StoreUnavailable as error:
                _log.warning("what is open is not known", cause=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_READ_SECONDS):
                    await stop.wait()

    def _figures(self) -> Sequence[Figures] | None:
        read, figures = self._last
        return figures if read and time.monotonic() - read <= _VALID_SECONDS else None

    def _observe_open(self, _: CallbackOptions) -> Iterator[Observation]:
        for each in self._figures() or ():
            yield Observation(each.orders, {_STEP: each.step})

    def _observe_overdue(self, _: CallbackOptions) -> Iterator[Observation]:
        figures = self._figures()
        if figures is not None:
            yield Observation(max((each.overdue_seconds for each in figures), default=0.0))
