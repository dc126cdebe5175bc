"""Orders for tests: commands and events with defaults, and given/when/then for the rules of any aggregate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Self, cast

from google.protobuf.message import Message
from google.type.money_pb2 import Money

from command_service.orders.decider import Command, decide
from command_service.orders.state import Order, evolve
from command_service.timestamps import stamp
from event_schemas.orders import OrderEvent
from orderflow.common.v1.address_pb2 import Address
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import events_pb2 as events
from orderflow.orders.v1.order_pb2 import FULFILLMENT_MODE_AUTOMATIC, FULFILLMENT_MODE_MANUAL, OrderItem
from service_kit.errors import FailedPrecondition, InvalidArgument, ServiceError

ORDER_ID = "0d9f3b52-7c1e-4e0b-9a53-6f2f7f1d9c11"
CUSTOMER_ID = "6c1a2f0e-53d4-4b0a-8a61-2f0b9b7f4e22"
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
DELIVERY = timedelta(days=5)
ADDRESS = Address(
    recipient="Ada Lovelace", address_lines=["Marktplatz 1"], postal_code="53111", locality="Bonn", region_code="DE"
)


def money(amount: str = "10.00", currency: str = "EUR") -> Money:
    """An amount as people write it."""
    units, nanos = divmod(int(Decimal(amount).scaleb(9)), 10**9)
    return Money(currency_code=currency, units=units, nanos=nanos)


def item(price: str = "10.00", *, quantity: int = 1, sku: str = "PEN-1", currency: str = "EUR") -> OrderItem:
    """A line."""
    return OrderItem(sku=sku, product_name="Pen", quantity=quantity, unit_price=money(price, currency))


def create(*items: OrderItem, **changes: Any) -> commands.CreateOrderRequest:
    """Creates an order, of one pen for ten euros unless told otherwise."""
    fields = {"order_id": ORDER_ID, "customer_id": CUSTOMER_ID, "shipping_address": ADDRESS, "items": items or [item()]}
    return commands.CreateOrderRequest(**{**fields, **changes})


def add(line: OrderItem | None = None, **changes: Any) -> commands.AddItemRequest:
    """Adds a line."""
    return commands.AddItemRequest(**{"order_id": ORDER_ID, "item": line or item(), **changes})


def remove(quantity: int = 1, *, sku: str = "PEN-1", **changes: Any) -> commands.RemoveItemRequest:
    """Removes units of a product."""
    return commands.RemoveItemRequest(**{"order_id": ORDER_ID, "sku": sku, "quantity": quantity, **changes})


def pay(
    amount: str = "10.00", reference: str = "pay-1", *, currency: str = "EUR", **changes: Any
) -> commands.RecordPaymentRequest:
    """Records a payment."""
    fields = {"order_id": ORDER_ID, "payment_reference": reference, "amount": money(amount, currency)}
    return commands.RecordPaymentRequest(**{**fields, **changes})


def refund(
    amount: str = "10.00", reference: str = "refund-1", *, currency: str = "EUR", **changes: Any
) -> commands.RecordRefundRequest:
    """Records a refund."""
    fields = {"order_id": ORDER_ID, "refund_reference": reference, "amount": money(amount, currency)}
    return commands.RecordRefundRequest(**{**fields, **changes})


def confirm(**changes: Any) -> commands.ConfirmOrderRequest:
    """Confirms the order."""
    return commands.ConfirmOrderRequest(**{"order_id": ORDER_ID, **changes})


def ship(tracking_number: str = "TRACK-1", **changes: Any) -> commands.ShipOrderRequest:
    """Ships the order."""
    return commands.ShipOrderRequest(**{"order_id": ORDER_ID, "tracking_number": tracking_number, **changes})


def deliver(**changes: Any) -> commands.DeliverOrderRequest:
    """Delivers the order."""
    return commands.DeliverOrderRequest(**{"order_id": ORDER_ID, **changes})


def cancel(reason: str = "changed my mind", **changes: Any) -> commands.CancelOrderRequest:
    """Cancels the order."""
    return commands.CancelOrderRequest(**{"order_id": ORDER_ID, "reason": reason, **changes})


def created(
    *items: OrderItem, total: str = "10.00", currency: str = "EUR", automatic: bool = False
) -> events.OrderCreated:
    """The order was created."""
    return events.OrderCreated(
        order_id=ORDER_ID,
        customer_id=CUSTOMER_ID,
        items=items or [item(currency=currency)],
        total_amount=money(total, currency),
        fulfillment_mode=FULFILLMENT_MODE_AUTOMATIC if automatic else FULFILLMENT_MODE_MANUAL,
        estimated_delivery_time=stamp(NOW + DELIVERY),
        personal_data=events.OrderPersonalData(shipping_address=ADDRESS),
        create_time=stamp(NOW),
    )


def item_added(line: OrderItem | None = None, *, total: str = "20.00") -> events.ItemAdded:
    """A line was added."""
    return events.ItemAdded(order_id=ORDER_ID, item=line or item(), total_amount=money(total), add_time=stamp(NOW))


def item_removed(quantity: int = 1, *, total: str, sku: str = "PEN-1") -> events.ItemRemoved:
    """Units of a product were removed."""
    return events.ItemRemoved(
        order_id=ORDER_ID, sku=sku, quantity=quantity, total_amount=money(total), remove_time=stamp(NOW)
    )


def paid(amount: str = "10.00", reference: str = "pay-1") -> events.PaymentProcessed:
    """A payment was received."""
    return events.PaymentProcessed(
        order_id=ORDER_ID, payment_reference=reference, amount=money(amount), payment_time=stamp(NOW)
    )


def refunded(amount: str = "10.00", reference: str = "refund-1") -> events.RefundRecorded:
    """Money was given back."""
    return events.RefundRecorded(
        order_id=ORDER_ID, refund_reference=reference, amount=money(amount), refund_time=stamp(NOW)
    )


def confirmed() -> events.OrderConfirmed:
    """The order was confirmed."""
    return events.OrderConfirmed(
        order_id=ORDER_ID, estimated_delivery_time=stamp(NOW + DELIVERY), confirm_time=stamp(NOW)
    )


def shipped(tracking_number: str = "TRACK-1") -> events.OrderShipped:
    """The order was handed to the carrier."""
    return events.OrderShipped(order_id=ORDER_ID, tracking_number=tracking_number, ship_time=stamp(NOW))


def delivered() -> events.OrderDelivered:
    """The order reached its recipient."""
    return events.OrderDelivered(order_id=ORDER_ID, deliver_time=stamp(NOW))


def cancelled(reason: str = "changed my mind", *, refund_due: str = "") -> events.OrderCancelled:
    """The order was cancelled."""
    due = money(refund_due) if refund_due else None
    return events.OrderCancelled(order_id=ORDER_ID, reason=reason, refund_due=due, cancel_time=stamp(NOW))


def folded(*history: Message) -> Order:
    """The order after these events."""
    return reduce(evolve, cast("Sequence[OrderEvent]", history), Order())


def given(*history: Message) -> "Given":
    """An order with this history."""
    order = folded(*history)
    return Given(lambda command: decided(command, order))


def decided(command: Command, order: Order) -> list[OrderEvent]:
    """What the order's rules make of a command now."""
    return decide(command, order, NOW, delivery=DELIVERY)


@dataclass(frozen=True)
class Given:
    """A state to decide on: `given(...).when(command).then(events)` or `.then_refused(reason)`."""

    decide: Callable[[Any], Sequence[Message]]

    def when(self, command: Message) -> "Outcome":
        """Decides the command."""
        try:
            return Outcome(list(self.decide(command)))
        except ServiceError as refusal:
            return Outcome(refusal=refusal)


@dataclass(frozen=True)
class Outcome:
    """The events of an accepted command, or its refusal."""

    events: list[Message] = field(default_factory=list)
    refusal: ServiceError | None = None

    def then(self, *expected: Message) -> None:
        """It was accepted with exactly these events."""
        assert self.refusal is None, f"refused: {self.refusal}"
        assert self.events == list(expected)

    def then_refused(self, reason: str, *fields: str) -> Self:
        """It was refused for this reason, naming these fields."""
        assert self.refusal is not None, f"accepted: {self.events}"
        assert self.refusal.reason_name == reason
        named = [each.field for each in self.refusal.violations] if isinstance(self.refusal, InvalidArgument) else []
        assert named == list(fields)
        return self

    def telling(self, *, subject: str = f"order/{ORDER_ID}", **metadata: str) -> None:
        """It tells programs this, and names the aggregate as what forbids it where the state does."""
        assert self.refusal is not None
        assert self.refusal.metadata == metadata
        if isinstance(self.refusal, FailedPrecondition):
            assert self.refusal.subject == subject
