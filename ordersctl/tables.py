"""What answers look like to people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orderflow.common.v1.consistency_pb2 import ReadSource, ViewFreshness
from orderflow.customers.v1.customer_pb2 import Customer
from orderflow.inventory.v1.stock_item_pb2 import StockItem
from orderflow.orders.v1.commands_pb2 import CreateOrderResponse
from orderflow.orders.v1.order_pb2 import OrderItem, OrderStatus
from orderflow.orders.v1.views_pb2 import CustomerSummary, EnrichmentState, OrderView
from ordersctl import money
from ordersctl.enums import value_name
from ordersctl.output import printable

_STATUS_STYLES = {"PENDING": "yellow", "CONFIRMED": "cyan", "SHIPPED": "blue", "DELIVERED": "green", "CANCELLED": "red"}
TIMES = "\N{MULTIPLICATION SIGN}"
_WIDE = 100
_GAP = 2
_LEAST_TEXT_WIDTH = 12
_SKU_WIDTH = 20
_PIECES_WIDTH = 10
_TIMES = {
    "created": "create_time",
    "confirmed": "confirm_time",
    "shipped": "ship_time",
    "delivered": "deliver_time",
    "cancelled": "cancel_time",
    "updated": "update_time",
    "estimated delivery": "estimated_delivery_time",
}

Row = tuple[str, Text | str]


class OrderAnswer(Protocol):
    """What the answer of every command to an order has."""

    @property
    def order_id(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def status(self) -> "OrderStatus.ValueType": ...  # noqa: D102
    @property
    def total_amount(self) -> Money: ...  # noqa: D102
    @property
    def consistency_token(self) -> str: ...  # noqa: D102


def as_text(value: Text | str) -> Text:
    """Text as it is, never as markup, and without what could steer a terminal."""
    return value if isinstance(value, Text) else Text(printable(value))


def status_text(status: "OrderStatus.ValueType") -> Text:
    """The status without its prefix, in its color."""
    name = value_name(OrderStatus, status, "ORDER_STATUS_")
    return Text(name, style=_STATUS_STYLES.get(name, ""))


def time_text(time: Timestamp) -> str:
    """A time in UTC, to the second; empty where it is not set."""
    return f"{time.ToDatetime(tzinfo=UTC):%Y-%m-%d %H:%M:%S}Z" if time.seconds else ""


def duration_text(duration: Duration) -> str:
    """A duration in the unit that reads best."""
    seconds = duration.ToTimedelta() / timedelta(seconds=1)
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def items_text(items: Iterable[OrderItem]) -> str:
    """An order's lines in one, each as how many times what."""
    return ", ".join(f"{item.quantity} {TIMES} {item.product_name}" for item in items)


def facts(rows: Sequence[Row], *, title: str = "") -> Text:
    """Names and values under each other, a value in one line however long; rows with an empty value are left out."""
    width = max(len(name) for name, _ in rows) + _GAP
    lines = [Text.assemble((f"{name:<{width}}", "dim"), as_text(value)) for name, value in rows if value]
    return Text("\n").join([Text(title, style="bold"), *lines] if title else lines)


def order_answer(response: OrderAnswer, *, title: str, request_id: str) -> Text:
    """The answer of a command to an order."""
    delivery = time_text(response.estimated_delivery_time) if isinstance(response, CreateOrderResponse) else ""
    rows: list[Row] = [
        ("order", response.order_id),
        ("version", str(response.version)),
        ("status", status_text(response.status)),
        ("total", money.show(response.total_amount)),
        ("estimated delivery", delivery),
        ("token", response.consistency_token),
        ("request id", request_id),
    ]
    return facts(rows, title=title)


def order(view: OrderView, freshness: ViewFreshness) -> RenderableType:
    """Everything about an order."""
    rows: list[Row] = [
        ("order", view.order_id),
        ("version", str(view.version)),
        ("status", status_text(view.status)),
        ("customer", _customer_of(view)),
        ("total", money.show(view.total_amount)),
        ("paid", _amount(view.paid_amount)),
        ("refunded", _amount(view.refunded_amount)),
        ("address", view.address_full),
        ("tracking number", view.tracking_number),
        ("cancel reason", view.cancel_reason),
        *((name, time_text(getattr(view, field))) for name, field in _TIMES.items()),
        ("freshness", _freshness(freshness)),
    ]
    return Group(facts(rows), _items(view.items))


def _amount(amount: Money) -> str:
    return money.show(amount) if amount.units or amount.nanos else ""


def _customer_of(view: OrderView) -> str:
    if view.enrichment_state == EnrichmentState.ENRICHMENT_STATE_ERASED:
        return f"erased {view.customer_id}"
    known = f"{view.customer_name} <{view.customer_email}>" if view.customer_name else "not known yet"
    return f"{known} {view.customer_id}"


def _freshness(freshness: ViewFreshness) -> str:
    if not freshness.source:
        return ""
    source = value_name(ReadSource, freshness.source, "READ_SOURCE_").lower().replace("_", " ")
    projected = f", projected {time_text(freshness.project_time)}" if freshness.HasField("project_time") else ""
    waited = f", waited {duration_text(freshness.wait_duration)}" if freshness.HasField("wait_duration") else ""
    return f"from the {source}{projected}{waited}"


def _items(items: Iterable[OrderItem]) -> Table:
    table = Table("sku", "product", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("quantity", justify="right")
    table.add_column("unit price", justify="right")
    for item in items:
        cells = (item.sku, item.product_name, str(item.quantity), money.show(item.unit_price))
        table.add_row(*map(as_text, cells))
    return table


def order_columns(width: int) -> dict[str, int]:
    """The columns of a list and their widths, fixed before its first chunk so that all chunks align."""
    columns = {"order": 36, "status": 9, "total": 14, "created": 20 if width >= _WIDE else 12}
    left = width - sum(columns.values()) - _GAP * len(columns)
    items = left - max(_LEAST_TEXT_WIDTH, left // 3) - _GAP
    if items >= _LEAST_TEXT_WIDTH:
        return {**columns, "customer": left - items - _GAP, "items": items}
    return {**columns, "customer": left} if left >= _LEAST_TEXT_WIDTH else columns


def order_rows(columns: Mapping[str, int], orders: Iterable[OrderView], *, header: bool) -> Table:
    """A chunk of a list."""
    table = Table(box=None, show_header=header, pad_edge=False, header_style="dim", padding=(0, _GAP, 0, 0))
    for name, width in columns.items():
        table.add_column(name, width=width, no_wrap=True, justify="right" if name == "total" else "left")
    for each in orders:
        created = time_text(each.create_time)
        cells: dict[str, Text | str] = {
            "order": each.order_id,
            "status": status_text(each.status),
            "total": money.show(each.total_amount),
            "created": created if columns["created"] >= len(created) else f"{created[5:16]}Z",
            "customer": each.customer_name,
            "items": items_text(each.items),
        }
        table.add_row(*(as_text(cells[name]) for name in columns))
    return table


def stock_item(item: StockItem, freshness: ViewFreshness) -> Text:
    """A stock item."""
    rows: list[Row] = [
        ("sku", item.sku),
        ("version", str(item.version)),
        ("on hand", str(item.on_hand)),
        ("reserved", str(item.reserved)),
        ("available", str(item.available)),
        ("recorded", time_text(item.create_time)),
        ("updated", time_text(item.update_time)),
        ("freshness", _freshness(freshness)),
    ]
    return facts(rows)


def stock_rows(items: Iterable[StockItem], *, header: bool) -> Table:
    """A chunk of a list of stock items; widths that hold any, so that all chunks align."""
    table = Table(box=None, show_header=header, pad_edge=False, header_style="dim", padding=(0, _GAP, 0, 0))
    table.add_column("sku", width=_SKU_WIDTH, overflow="fold")
    for name in ("on hand", "reserved", "available"):
        table.add_column(name, width=_PIECES_WIDTH, justify="right")
    table.add_column("updated", width=20, no_wrap=True)
    for each in items:
        cells = (each.sku, str(each.on_hand), str(each.reserved), str(each.available), time_text(each.update_time))
        table.add_row(*map(as_text, cells))
    return table


def customer_summary(found: CustomerSummary) -> Text:
    """A customer's orders in figures."""
    rows: list[Row] = [
        ("customer", found.customer_id),
        ("name", found.customer_name),
        ("e-mail", found.customer_email),
        ("orders", str(found.order_count)),
        ("by status", _status_counts(found)),
        ("totals", _totals(found)),
        ("first order", time_text(found.first_order_time)),
        ("last order", time_text(found.last_order_time)),
    ]
    return facts(rows)


def customer_summary_rows(found: Iterable[CustomerSummary], *, header: bool) -> Table:
    """A chunk of a list of customers with their orders in figures."""
    table = Table(box=None, show_header=header, pad_edge=False, header_style="dim", padding=(0, _GAP, 0, 0))
    table.add_column("customer", width=36, no_wrap=True)
    table.add_column("orders", width=6, justify="right")
    table.add_column("totals", ratio=1, overflow="fold")
    table.add_column("last order", width=20, no_wrap=True)
    for each in found:
        cells = (each.customer_id, str(each.order_count), _totals(each), time_text(each.last_order_time))
        table.add_row(*map(as_text, cells))
    return table


def _status_counts(found: CustomerSummary) -> str:
    return ", ".join(f"{each.order_count} {status_text(each.status).plain.lower()}" for each in found.status_counts)


def _totals(found: CustomerSummary) -> str:
    """What the orders that are not cancelled come to."""
    return ", ".join(map(money.show, found.total_amounts))


def customer(found: Customer) -> Text:
    """A customer."""
    rows: list[Row] = [
        ("customer", found.customer_id),
        ("version", str(found.version)),
        ("name", found.name),
        ("e-mail", found.email),
        ("registered", time_text(found.create_time)),
        ("updated", time_text(found.update_time)),
        ("erased", time_text(found.erase_time)),
    ]
    return facts(rows)
