"""Folds an order anew from its first event, to hold what a store shows against it."""

from collections.abc import Collection
from dataclasses import dataclass

from orderflow.orders.v1 import views_pb2
from projector.event_log import EventLog
from projector.folding import Versions, folded


@dataclass(frozen=True, slots=True)
class Past:
    """An order's events as the event log has them.

    Args:
        events: all of them up to the version that was asked for; see `History`.
        skips: versions that an operator has passed over.
    """

    order_id: str
    events: Versions
    skips: Collection[int]
    event_log: EventLog

    @property
    def head(self) -> int:
        """The version of the last event; 0 where there is none."""
        return self.events[-1].version if self.events else 0

    async def at(self, version: int) -> views_pb2.OrderView | None:
        """The order's view in that version, without its customer; None where the order has no events.

        Raises:
            Unprojectable: the events cannot be folded so far.
        """
        until = [each for each in self.events if each.version <= version]
        view, failure = await folded(self.order_id, None, until, self.event_log, self.skips)
        if failure is not None:
            raise failure.cause
        return view


async def past_of(order_id: str, event_log: EventLog, *, to: int = 0, skips: Collection[int] = ()) -> Past:
    """The order's events up to a version, or to its head.

    Raises:
        EventLogAway: the log does not answer.
    """
    history = await event_log.history("order", order_id, 0, to, skips)
    return Past(order_id, history.of_order(), skips, event_log)
