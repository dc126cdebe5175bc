"""Folds an order's new events into its view: each exactly once and in order, whatever Kafka brought."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from orderflow.orders.v1 import views_pb2
from projector.errors import Unfoldable, Unprojectable
from projector.event_log import EventLog
from projector.events import OrderEvent, UnreadableEvent
from read_models import orders

Versions: TypeAlias = Sequence[OrderEvent | UnreadableEvent]
_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Failure:
    """The first version of an aggregate that cannot be projected, and why."""

    version: int
    cause: Unprojectable


async def folded(
    order_id: str,
    before: views_pb2.OrderView | None,
    events: Versions,
    event_log: EventLog,
    skips: Collection[int] = (),
) -> tuple[views_pb2.OrderView | None, Failure | None]:
    """The view with those of the events that it does not have yet; the given view itself where it has them all.

    Repeats are dropped. What is missing before an event is read from the event log. Where a version fails, the view
    has everything before it and nothing after.

    Args:
        skips: versions that an operator has passed over: the view has them, and nothing changes by them.

    Raises:
        EventLogAway: the log does not answer.
    """
    view = before
    for each in events:
        version = view.version if view else 0
        if each.version <= version:
            continue
        for event in (*await _between(order_id, version, each.version, event_log, skips), each):
            try:
                view = _evolved(view, event, skips)
            except Unprojectable as cause:
                return view, Failure(event.version, cause)
    return view, None


async def _between(
    order_id: str, version: int, next_version: int, event_log: EventLog, skips: Collection[int]
) -> Versions:
    """The events after the one version and before the other; none where they follow each other."""
    if next_version == version + 1:
        return ()
    _log.warning("gap read from the event log", order_id=order_id, after_version=version, to=next_version - 1)
    return await event_log.read(order_id, after=version, to=next_version - 1, skips=skips)


def _evolved(
    view: views_pb2.OrderView | None, event: OrderEvent | UnreadableEvent, skips: Collection[int]
) -> views_pb2.OrderView:
    if view is not None and event.version in skips:
        return orders.passed_over(view, event.version)
    if isinstance(event, UnreadableEvent):
        raise event.cause
    try:
        return orders.evolve(view, event.event, event.version)
    except Exception as error:
        raise Unfoldable(f"version {event.version} cannot be folded: {type(error).__name__}") from error
