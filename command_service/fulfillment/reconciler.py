"""Moves an order on: looks at what there is, does what is next, records it, until there is something to wait for.

Level-triggered: messages and timers say no more than that an order is to be looked at. What is done follows from the
events of the order and of its fulfillment alone, so that repeats, reorderings, deaths and rebuilds do nothing wrong.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from command_service.errors import NotAllowedInStatus, VersionMismatch
from command_service.fulfillment.aggregate import NAMING
from command_service.fulfillment.calls import Calls
from command_service.fulfillment.plan import (
    Call,
    Failed,
    Finished,
    Outcome,
    Record,
    Wait,
    consequence,
    name_of,
    next_action,
    pause_after,
)
from command_service.fulfillment.state import Fulfillment, Step
from command_service.handler import CommandHandler
from command_service.orders.state import Order
from event_schemas.fulfillment import FulfillmentEvent
from orderflow.fulfillment.v1 import commands_pb2 as commands
from orderflow.fulfillment.v1 import events_pb2 as events
from service_kit import fail_points

PRINCIPAL = "fulfillment"
_MOST_IN_VAIN = 3
_PROGRESS = {
    field.message_type.full_name: field.name
    for field in events.FulfillmentEvent.DESCRIPTOR.fields
    if field.message_type is not None
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at an order has come to.

    Args:
        step: where the fulfillment is; None where that is not known.
        again: when to look again, on the database's clock or from now; None where only a change of the order matters.
        finished: there is nothing to do any more, ever.
    """

    step: Step | None
    again: datetime | timedelta | None = None
    finished: bool = False


class Reconciler:
    """Moves orders on. Any number may work on the same order at once: each step is decided on one version.

    Args:
        orders: reads them.
        records: what was done and seen; only from here.
        now: the present moment on the database's clock.
        payment_time: how long a payment is waited for.
        most_looks: after so many steps it leaves off, to be called again.
    """

    def __init__(
        self,
        orders: CommandHandler[Order],
        records: CommandHandler[Fulfillment],
        calls: Calls,
        now: Callable[[], Awaitable[datetime]],
        *,
        payment_time: timedelta,
        most_looks: int = 50,
    ) -> None:
        self._orders = orders
        self._records = records
        self._calls = calls
        self._now = now
        self._payment_time = payment_time
        self._most_looks = most_looks

    async def advance(self, order_id: UUID) -> Looked:
        """Does all that can be done for an order now.

        Raises:
            StoreUnavailable, Overloaded: the event store is away or busy; what was done so far is done.
        """
        step = Step.NONE
        vain: list[tuple[Call, int, int]] = []
        for _ in range(self._most_looks):
            # In this order: the order is at least as new as the fulfillment, and has every payment before now.
            now = await self._now()
            fulfillment = await self._records.state_of(NAMING.id_of(str(order_id)))
            order = await self._orders.state_of(order_id)
            step = fulfillment.step
            if not order.is_automatic:
                return Looked(step, finished=True)
            match next_action(order, fulfillment, now, payment_time=self._payment_time):
                case Finished():
                    return Looked(step, finished=True)
                case Wait(until):
                    return Looked(step, until)
                case Record(event):
                    await self._record(order_id, fulfillment, event)
                case call:
                    outcome = await self._calls.make(str(order_id), call)
                    fail_points.reach("fulfillment.called")
                    vain.append((call, fulfillment.version, order.version))
                    if vain.count(vain[-1]) == _MOST_IN_VAIN:
                        outcome = Failed(f"{name_of(call)} changed nothing: {outcome}")
                    await self._record_outcome(order_id, fulfillment, call, outcome)
                    if isinstance(outcome, Failed):
                        return Looked(step, pause_after(fulfillment.attempts + 1))
        return Looked(step, timedelta())

    async def _record_outcome(self, order_id: UUID, fulfillment: Fulfillment, call: Call, outcome: Outcome) -> None:
        event = consequence(call, fulfillment, outcome)
        if event is not None:
            await self._record(order_id, fulfillment, event)

    async def _record(self, order_id: UUID, fulfillment: Fulfillment, event: FulfillmentEvent) -> None:
        """Records it if the fulfillment is still as it was; otherwise somebody was faster, and the next look tells."""
        progress: dict[str, Any] = {_PROGRESS[event.DESCRIPTOR.full_name]: event}
        request = commands.RecordProgressRequest(
            order_id=str(order_id),
            expected_version=fulfillment.version or None,
            progress=events.FulfillmentEvent(**progress),
        )
        try:
            await self._records.handle(request, commands.RecordProgressResponse, PRINCIPAL)
        except VersionMismatch:
            return
        except NotAllowedInStatus:
            if fulfillment.version:
                raise
            return  # another process has begun it
        fail_points.reach("fulfillment.recorded")
