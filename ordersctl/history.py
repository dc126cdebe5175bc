"""What an order's events look like to people."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.table import Table

from orderflow.orders.v1.queries_pb2 import RecordedOrderEvent
from ordersctl import money
from ordersctl.tables import TIMES, as_text, items_text, time_text

_DETAILS: Mapping[str, Callable[[Any], str]] = {
    "order_created": lambda event: f"{items_text(event.items)}; total {money.show(event.total_amount)}",
    "item_added": lambda event: f"{items_text([event.item])}; total {money.show(event.total_amount)}",
    "item_removed": lambda event: f"{event.quantity} {TIMES} {event.sku}; total {money.show(event.total_amount)}",
    "payment_processed": lambda event: f"{money.show(event.amount)} by {event.payment_reference}",
    "refund_recorded": lambda event: f"{money.show(event.amount)} by {event.refund_reference}",
    "order_shipped": lambda event: event.tracking_number,
    "order_cancelled": lambda event: event.reason,
}


def event_rows(events: Iterable[RecordedOrderEvent], *, header: bool) -> Table:
    """A chunk of a history."""
    table = Table(box=None, show_header=header, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("version", width=7, justify="right")
    table.add_column("recorded", width=20)
    table.add_column("event", width=16)
    table.add_column("what", ratio=1, overflow="fold")
    table.add_column("by", overflow="ellipsis", max_width=12)
    for each in events:
        kind: str = each.event.WhichOneof("event") or ""
        what = _DETAILS[kind](getattr(each.event, kind)) if kind in _DETAILS else ""
        cells = (str(each.version), time_text(each.record_time), _event_name(each, kind), what, each.actor)
        table.add_row(*map(as_text, cells))
    return table


def _event_name(recorded: RecordedOrderEvent, kind: str) -> str:
    """The event's type without its package."""
    return type(getattr(recorded.event, kind)).DESCRIPTOR.name if kind else "(unknown here)"
