"""An order as the rules see it, and how each event changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import assert_never

from command_service.orders.money import Amount
from command_service.timestamps import moment_of
from event_schemas.orders import OrderEvent
from orderflow.orders.v1 import events_pb2 as events
from orderflow.orders.v1 import order_pb2


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order."""

    sku: str
    quantity: int
    price_nanos: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order's state after the first `version` of its events; version 0 is no order.

    Args:
        payments: nanos by payment reference.
        refunds: nanos by refund reference.
        shipped: whether it was ever handed to the carrier, also where it was cancelled since.
    """

    order_id: str = ""
    version: int = 0
    status: "order_pb2.OrderStatus.ValueType" = order_pb2.ORDER_STATUS_UNSPECIFIED
    currency: str = ""
    lines: tuple[Line, ...] = ()
    payments: Mapping[str, int] = field(default_factory=dict)
    refunds: Mapping[str, int] = field(default_factory=dict)
    estimated_delivery: datetime | None = None
    fulfillment_mode: "order_pb2.FulfillmentMode.ValueType" = order_pb2.FULFILLMENT_MODE_UNSPECIFIED
    shipped: bool = False
    cancel_reason: str = ""

    @property
    def total(self) -> Amount:
        """The sum of unit price times quantity."""
        return Amount(self.currency, sum(line.price_nanos * line.quantity for line in self.lines))

    @property
    def paid_nanos(self) -> int:
        """What was paid and not given back."""
        return sum(self.payments.values()) - sum(self.refunds.values())

    @property
    def is_paid(self) -> bool:
        """Whether all of it was paid and not given back."""
        return self.paid_nanos >= self.total.nanos

    @property
    def is_automatic(self) -> bool:
        """Whether the fulfillment process moves it on."""
        return self.fulfillment_mode == order_pb2.FULFILLMENT_MODE_AUTOMATIC


def evolve(order: Order, event: OrderEvent) -> Order:  # noqa: PLR0911 -- one answer an event
    """The order after an event; it happened, so nothing is refused here."""
    after = partial(replace, order, version=order.version + 1)
    match event:
        case events.OrderCreated():
            return after(
                order_id=event.order_id,
                status=order_pb2.ORDER_STATUS_PENDING,
                currency=event.total_amount.currency_code,
                lines=tuple(line_of(item) for item in event.items),
                estimated_delivery=moment_of(event.estimated_delivery_time),
                fulfillment_mode=event.fulfillment_mode,
            )
        case events.ItemAdded():
            return after(lines=(*order.lines, line_of(event.item)))
        case events.ItemRemoved():
            return after(lines=without(order.lines, event.sku, event.quantity))
        case events.PaymentProcessed():
            return after(payments={**order.payments, event.payment_reference: Amount.of(event.amount).nanos})
        case events.RefundRecorded():
            return after(refunds={**order.refunds, event.refund_reference: Amount.of(event.amount).nanos})
        case events.OrderConfirmed():
            return after(
                status=order_pb2.ORDER_STATUS_CONFIRMED, estimated_delivery=moment_of(event.estimated_delivery_time)
            )
        case events.OrderShipped():
            return after(status=order_pb2.ORDER_STATUS_SHIPPED, shipped=True)
        case events.OrderDelivered():
            return after(status=order_pb2.ORDER_STATUS_DELIVERED)
        case events.OrderCancelled():
            return after(status=order_pb2.ORDER_STATUS_CANCELLED, cancel_reason=event.reason)
    assert_never(event)


def line_of(item: order_pb2.OrderItem) -> Line:
    """The line that an item makes."""
    return Line(item.sku, item.quantity, Amount.of(item.unit_price).nanos)


def without(lines: tuple[Line, ...], sku: str, quantity: int) -> tuple[Line, ...]:
    """The lines less that many of a product, taken from its last line first; empty lines are gone."""
    kept: list[Line] = []
    for line in reversed(lines):
        taken = min(quantity, line.quantity) if line.sku == sku else 0
        quantity -= taken
        if line.quantity > taken:
            kept.append(replace(line, quantity=line.quantity - taken))
    return tuple(reversed(kept))
