"""Looks at the orders that are due, several at once, and says when each is due again."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from command_service.fulfillment.open_fulfillments import Claim, OpenFulfillments
from command_service.fulfillment.reconciler import Looked, Reconciler
from service_kit import fail_points
from service_kit.errors import TryLater
from service_kit.telemetry import context_of

_POLL_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_AFTER_OVERLOAD = timedelta(seconds=1)
_AFTER_A_DEFECT = timedelta(minutes=1)
_log = structlog.get_logger("command_service.fulfillment")
_tracer = trace.get_tracer("command_service.fulfillment")


class Worker:
    """Any number of them, in any number of processes, share the orders.

    Args:
        at_once: most orders that are looked at at the same time.
        look_again: an order that waits only for a change of its own is looked at so often even so.
    """

    def __init__(
        self, open_fulfillments: OpenFulfillments, reconciler: Reconciler, *, at_once: int, look_again: timedelta
    ) -> None:
        self._open = open_fulfillments
        self._reconciler = reconciler
        self._at_once = at_once
        self._look_again = look_again
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._defects = metrics.get_meter("command_service.fulfillment").create_counter(
            "orderflow.fulfillment.defects",
            unit="{look}",
            description="Looks at an order that ended in an error nobody expects; it is looked at again.",
        )

    def wake(self) -> None:
        """Has it ask at once what is due."""
        self._wake.set()

    async def run(self, stop: asyncio.Event, *, drain_seconds: float) -> None:
        """Works until `stop` is set; then finishes what it has in hand, for so long at most."""
        stopped: asyncio.Task[Any] = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                await self._begin(await self._claim())
                await self._idle(stopped)
        finally:
            stopped.cancel()
            if self._running:
                _, late = await asyncio.wait(self._running, timeout=drain_seconds)
                for each in late:
                    each.cancel()

    async def _claim(self) -> list[Claim]:
        free = self._at_once - len(self._running)
        if not free:
            return []
        try:
            return await self._open.claim(free)
        except TryLater as error:
            _log.warning("what is due is not known", cause=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            return []

    async def _begin(self, claims: list[Claim]) -> None:
        for claim in claims:
            task = asyncio.create_task(self._look(claim))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._wake.set()

    async def _idle(self, stopped: "asyncio.Task[Any]") -> None:
        woken: asyncio.Task[Any] = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({woken, stopped}, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _look(self, claim: Claim) -> None:
        with _tracer.start_as_current_span(
            "advance fulfillment",
            context_of(claim.trace),
            kind=SpanKind.CONSUMER,
            attributes={"orderflow.order.id": str(claim.order_id)},
        ):
            try:
                await self._settle(claim, await self._looked(claim))
            except TryLater as error:  # the lease runs out, and somebody looks again
                _log.warning("an order is not settled", order_id=str(claim.order_id), cause=str(error))

    async def _looked(self, claim: Claim) -> Looked:
        try:
            return await self._reconciler.advance(claim.order_id)
        except TryLater as error:
            _log.warning("an order is looked at later", order_id=str(claim.order_id), cause=str(error))
            return Looked(step=None, again=_AFTER_OVERLOAD)
        except Exception:  # noqa: BLE001 -- one order must not hold up the others
            _log.exception("an order cannot be moved on", order_id=str(claim.order_id))
            self._defects.add(1)
            return Looked(step=None, again=_AFTER_A_DEFECT)

    async def _settle(self, claim: Claim, looked: Looked) -> None:
        if looked.finished:
            await self._open.close(claim)
        else:
            await self._open.settle(claim, looked.step, self._look_again if looked.again is None else looked.again)
        fail_points.reach("fulfillment.settled")
