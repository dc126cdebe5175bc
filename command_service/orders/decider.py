"""The rules of an order's life: from a command and the present state to events, or to a refusal."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from command_service.errors import (
    AlreadyCancelled,
    CannotCancelDeliveredOrder,
    EmptyOrder,
    NotAllowedInStatus,
    OrderAlreadyExists,
    OrderNotFound,
)
from command_service.orders.checks import MAX_LINES, check_amount, check_currency, check_items, check_total
from command_service.orders.money import Amount
from command_service.orders.state import Order, line_of, without
from command_service.timestamps import stamp
from event_schemas.orders import OrderEvent
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import events_pb2 as events
from orderflow.orders.v1 import order_pb2
from service_kit.errors import FieldViolation, InvalidArgument

Command: TypeAlias = (
    commands.CreateOrderRequest
    | commands.AddItemRequest
    | commands.RemoveItemRequest
    | commands.RecordPaymentRequest
    | commands.RecordRefundRequest
    | commands.ConfirmOrderRequest
    | commands.ShipOrderRequest
    | commands.DeliverOrderRequest
    | commands.CancelOrderRequest
)
NONE = order_pb2.ORDER_STATUS_UNSPECIFIED
PENDING = order_pb2.ORDER_STATUS_PENDING
CONFIRMED = order_pb2.ORDER_STATUS_CONFIRMED
SHIPPED = order_pb2.ORDER_STATUS_SHIPPED
DELIVERED = order_pb2.ORDER_STATUS_DELIVERED
CANCELLED = order_pb2.ORDER_STATUS_CANCELLED

ALLOWED: Mapping["order_pb2.OrderStatus.ValueType", str] = {
    PENDING: "AddItem, RemoveItem, RecordPayment, RecordRefund, ConfirmOrder, CancelOrder",
    CONFIRMED: "RecordPayment, RecordRefund, ShipOrder, CancelOrder",
    SHIPPED: "RecordPayment, RecordRefund, DeliverOrder, CancelOrder",
    DELIVERED: "RecordPayment, RecordRefund",
    CANCELLED: "RecordRefund",
}
AUTOMATIC_UNPAID = "RecordPayment, RecordRefund, CancelOrder"
AUTOMATIC_PAID = "RecordPayment, RecordRefund, ConfirmOrder, CancelOrder"
"""Of a PENDING order that the fulfillment process moves on: its items are reserved as they were ordered."""


def decide(  # noqa: C901, PLR0911, PLR0912 -- the decision table
    command: Command, order: Order, now: datetime, *, delivery: timedelta
) -> list[OrderEvent]:
    """The events that a command makes of an order; none when it is accepted and changes nothing.

    Args:
        command: with its order id set, in lower case.
        now: the time that goes into the events.
        delivery: how long after creation or confirmation delivery is expected.

    Raises:
        ServiceError: a rule refuses the command; the reason is the contract's.
    """
    match command, order.status:
        case commands.CreateOrderRequest(), order_pb2.ORDER_STATUS_UNSPECIFIED:
            return [_created(command, now, delivery)]
        case commands.CreateOrderRequest(), _:
            raise OrderAlreadyExists(f"order {order.order_id} exists already", metadata=facts(order))
        case _, order_pb2.ORDER_STATUS_UNSPECIFIED:
            raise OrderNotFound(f"there is no order {command.order_id}")
        case ((commands.AddItemRequest() | commands.RemoveItemRequest()), order_pb2.ORDER_STATUS_PENDING) if (
            order.is_automatic
        ):
            raise _not_allowed_as(order, "the items of an order of automatic fulfillment are fixed at its creation")
        case commands.AddItemRequest(), order_pb2.ORDER_STATUS_PENDING:
            return [_item_added(command, order, now)]
        case commands.RemoveItemRequest(), order_pb2.ORDER_STATUS_PENDING:
            return [_item_removed(command, order, now)]
        case commands.RecordPaymentRequest(), _:
            return _payment(command, order, now)
        case commands.RecordRefundRequest(), _:
            return _refund(command, order, now)
        case commands.ConfirmOrderRequest(), order_pb2.ORDER_STATUS_PENDING if order.is_automatic and not order.is_paid:
            raise _not_allowed_as(order, f"an order of automatic fulfillment must be paid first; {_missing(order)}")
        case commands.ConfirmOrderRequest(), order_pb2.ORDER_STATUS_PENDING:
            expected = stamp(now + delivery)
            return [
                events.OrderConfirmed(
                    order_id=order.order_id, estimated_delivery_time=expected, confirm_time=stamp(now)
                )
            ]
        case commands.ShipOrderRequest(), order_pb2.ORDER_STATUS_CONFIRMED:
            return [
                events.OrderShipped(
                    order_id=order.order_id, tracking_number=command.tracking_number, ship_time=stamp(now)
                )
            ]
        case commands.DeliverOrderRequest(), order_pb2.ORDER_STATUS_SHIPPED:
            return [events.OrderDelivered(order_id=order.order_id, deliver_time=stamp(now))]
        case commands.CancelOrderRequest(), order_pb2.ORDER_STATUS_DELIVERED:
            raise CannotCancelDeliveredOrder(
                "a delivered order cannot be cancelled", subject=subject(order), metadata=facts(order)
            )
        case commands.CancelOrderRequest(), order_pb2.ORDER_STATUS_CANCELLED:
            raise AlreadyCancelled("the order is cancelled already", subject=subject(order), metadata=facts(order))
        case commands.CancelOrderRequest(), _:
            return [_cancelled(command, order, now)]
        case _:
            raise _not_allowed(command, order)


def subject(order: Order) -> str:
    """An order's name in a PreconditionFailure."""
    return f"order/{order.order_id}"


def facts(order: Order) -> dict[str, str]:
    """What a refusal tells programs of the order's present state."""
    return {
        "current_status": status_name(order),
        "current_version": str(order.version),
        "allowed_commands": allowed_commands(order),
    }


def allowed_commands(order: Order) -> str:
    """The commands that the order's status allows now, by their names."""
    if order.is_automatic and order.status == PENDING:
        return AUTOMATIC_PAID if order.is_paid else AUTOMATIC_UNPAID
    return ALLOWED[order.status]


def status_name(order: Order) -> str:
    """The status without its enum's prefix."""
    return order_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")


def _created(command: commands.CreateOrderRequest, now: datetime, delivery: timedelta) -> events.OrderCreated:
    total = check_items(command.items, "items")
    return events.OrderCreated(
        order_id=command.order_id,
        customer_id=command.customer_id.lower(),
        items=command.items,
        total_amount=total.to_money(),
        fulfillment_mode=command.fulfillment_mode or order_pb2.FULFILLMENT_MODE_MANUAL,
        estimated_delivery_time=stamp(now + delivery),
        personal_data=events.OrderPersonalData(shipping_address=command.shipping_address),
        create_time=stamp(now),
    )


def _item_added(command: commands.AddItemRequest, order: Order, now: datetime) -> events.ItemAdded:
    check_amount(command.item.unit_price, "item.unit_price", order.currency)
    if len(order.lines) >= MAX_LINES:
        raise InvalidArgument.of("item", f"the order has {MAX_LINES} lines already")
    line = line_of(command.item)
    total = Amount(order.currency, order.total.nanos + line.price_nanos * line.quantity)
    check_total(total, "item")
    return events.ItemAdded(
        order_id=order.order_id, item=command.item, total_amount=total.to_money(), add_time=stamp(now)
    )


def _item_removed(command: commands.RemoveItemRequest, order: Order, now: datetime) -> events.ItemRemoved:
    present = sum(line.quantity for line in order.lines if line.sku == command.sku)
    if not present:
        raise InvalidArgument.of("sku", "the order has no such item")
    if command.quantity > present:
        raise InvalidArgument.of("quantity", f"the order has only {present} of it")
    left = without(order.lines, command.sku, command.quantity)
    if not left:
        what = "the order would be left without any item"
        raise EmptyOrder(what, [FieldViolation("quantity", what)])
    total = Amount(order.currency, sum(line.price_nanos * line.quantity for line in left))
    check_total(total, "quantity")
    return events.ItemRemoved(
        order_id=order.order_id,
        sku=command.sku,
        quantity=command.quantity,
        total_amount=total.to_money(),
        remove_time=stamp(now),
    )


def _payment(command: commands.RecordPaymentRequest, order: Order, now: datetime) -> list[OrderEvent]:
    """Payments are summed; together they are at most the order's total."""
    check_amount(command.amount, "amount", order.currency)
    nanos = Amount.of(command.amount).nanos
    known = order.payments.get(command.payment_reference)
    if known is not None:
        return _unchanged_if_same(known, nanos, "payment_reference")
    if order.status == CANCELLED:
        raise _not_allowed(command, order)
    if nanos > order.total.nanos - order.paid_nanos:
        raise InvalidArgument.of("amount", "is more than what is still to be paid")
    return [
        events.PaymentProcessed(
            order_id=order.order_id,
            payment_reference=command.payment_reference,
            amount=command.amount,
            payment_time=stamp(now),
        )
    ]


def _refund(command: commands.RecordRefundRequest, order: Order, now: datetime) -> list[OrderEvent]:
    check_currency(command.amount, "amount", order.currency)
    nanos = Amount.of(command.amount).nanos
    known = order.refunds.get(command.refund_reference)
    if known is not None:
        return _unchanged_if_same(known, nanos, "refund_reference")
    if nanos > order.paid_nanos:
        raise InvalidArgument.of("amount", "is more than what was paid and not given back")
    return [
        events.RefundRecorded(
            order_id=order.order_id,
            refund_reference=command.refund_reference,
            amount=command.amount,
            refund_time=stamp(now),
        )
    ]


def _unchanged_if_same(known: int, nanos: int, field: str) -> list[OrderEvent]:
    if known != nanos:
        raise InvalidArgument.of(field, "is recorded already with another amount")
    return []


def _cancelled(command: commands.CancelOrderRequest, order: Order, now: datetime) -> events.OrderCancelled:
    due = Amount(order.currency, order.paid_nanos).to_money() if order.paid_nanos else None
    return events.OrderCancelled(order_id=order.order_id, reason=command.reason, refund_due=due, cancel_time=stamp(now))


def _not_allowed(command: Command, order: Order) -> NotAllowedInStatus:
    name = type(command).__name__.removesuffix("Request")
    return _not_allowed_as(order, f"{name} is not allowed while the order is {status_name(order)}")


def _not_allowed_as(order: Order, why: str) -> NotAllowedInStatus:
    return NotAllowedInStatus(why, subject=subject(order), metadata=facts(order))


def _missing(order: Order) -> str:
    missing = Decimal(order.total.nanos - order.paid_nanos).scaleb(-9).normalize()
    return f"{missing:f} {order.currency} are missing"
