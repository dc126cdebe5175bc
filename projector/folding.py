"""Folds an order's new events into its view: each exactly once and in order, whatever Kafka brought."""

from collections.abc import Sequence

import structlog

from orderflow.orders.v1 import views_pb2
from projector.errors import Unfoldable
from projector.event_log import EventLog
from projector.events import OrderEvent
from read_models import orders

_log = structlog.get_logger("projector")


async def folded(
    order_id: str, before: views_pb2.OrderView | None, events: Sequence[OrderEvent], event_log: EventLog
) -> views_pb2.OrderView | None:
    """The view with those of the events that it does not have yet; the given view itself where it has them all.

    Repeats are dropped. What is missing before an event is read from the event log.

    Raises:
        EventLogAway: the log does not answer.
        EventsMissing: the log does not have what is missing.
        Undecodable: the log has an event of a type that is not known here.
        Unfoldable: the fold failed, which is a defect.
    """
    view = before
    for each in events:
        version = view.version if view else 0
        for missing in await _between(order_id, version, each.version, event_log):
            view = _evolved(view, missing)
        if each.version > version:
            view = _evolved(view, each)
    return view


async def _between(order_id: str, version: int, next_version: int, event_log: EventLog) -> Sequence[OrderEvent]:
    """The events after the one version and before the other; none where they follow each other."""
    if next_version <= version + 1:
        return ()
    _log.warning("gap read from the event log", order_id=order_id, after_version=version, to=next_version - 1)
    return await event_log.read(order_id, after=version, to=next_version - 1)


def _evolved(view: views_pb2.OrderView | None, event: OrderEvent) -> views_pb2.OrderView:
    try:
        return orders.evolve(view, event.event, event.version)
    except Exception as error:
        raise Unfoldable(f"version {event.version} cannot be folded: {type(error).__name__}") from error
