"""Events of one order and its customer, with defaults, for tests that fold them."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import money_pb2

from event_schemas.inventory import StockEvent
from event_schemas.orders import OrderEvent
from orderflow.common.v1 import address_pb2
from orderflow.customers.v1 import customer_pb2
from orderflow.customers.v1 import events_pb2 as customer_events
from orderflow.inventory.v1 import events_pb2 as stock_events
from orderflow.orders.v1 import events_pb2, order_pb2

ORDER = "0d5f8d0c-7a44-4b3e-9a43-0c2f6f3d1a01"
CUSTOMER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"
SKU = "TEA-1"
STOCK_ITEM = "05bf27f1-3571-5810-91ca-bbe01338a9c2"
_START = datetime(2026, 11, 30, 23, 59, 58, 123456, tzinfo=UTC)
ADDRESS = address_pb2.Address(
    recipient="Zoë Łukasz",
    address_lines=["Hauptstraße 1", "3. Stock"],
    postal_code="10115",
    locality="Berlin",
    region_code="DE",
)


def at(seconds: int) -> Timestamp:
    """So many seconds after the order was created."""
    time = Timestamp()
    time.FromDatetime(_START + timedelta(seconds=seconds))
    return time


def euros(units: int, nanos: int = 0) -> money_pb2.Money:
    return money_pb2.Money(currency_code="EUR", units=units, nanos=nanos)


def item(
    sku: str = "SKU-1", name: str = "Tea", quantity: int = 2, price: money_pb2.Money | None = None
) -> order_pb2.OrderItem:
    return order_pb2.OrderItem(sku=sku, product_name=name, quantity=quantity, unit_price=price or euros(10))


def created(
    *items: order_pb2.OrderItem,
    order_id: str = ORDER,
    customer_id: str = CUSTOMER,
    total: money_pb2.Money | None = None,
) -> events_pb2.OrderCreated:
    return events_pb2.OrderCreated(
        order_id=order_id,
        customer_id=customer_id,
        items=items or (item(),),
        total_amount=total or euros(20),
        fulfillment_mode=order_pb2.FULFILLMENT_MODE_MANUAL,
        estimated_delivery_time=at(5 * 24 * 3600),
        personal_data=events_pb2.OrderPersonalData(shipping_address=ADDRESS),
        create_time=at(0),
    )


def item_added(line: order_pb2.OrderItem, total: money_pb2.Money, *, order_id: str = ORDER) -> events_pb2.ItemAdded:
    return events_pb2.ItemAdded(order_id=order_id, item=line, total_amount=total, add_time=at(1))


def item_removed(sku: str, quantity: int, total: money_pb2.Money) -> events_pb2.ItemRemoved:
    return events_pb2.ItemRemoved(order_id=ORDER, sku=sku, quantity=quantity, total_amount=total, remove_time=at(2))


def paid(amount: money_pb2.Money, *, order_id: str = ORDER) -> events_pb2.PaymentProcessed:
    return events_pb2.PaymentProcessed(order_id=order_id, payment_reference="P", amount=amount, payment_time=at(3))


def refunded(amount: money_pb2.Money) -> events_pb2.RefundRecorded:
    return events_pb2.RefundRecorded(order_id=ORDER, refund_reference="R", amount=amount, refund_time=at(4))


def confirmed(*, order_id: str = ORDER) -> events_pb2.OrderConfirmed:
    return events_pb2.OrderConfirmed(order_id=order_id, estimated_delivery_time=at(6 * 24 * 3600), confirm_time=at(5))


def shipped(*, order_id: str = ORDER) -> events_pb2.OrderShipped:
    return events_pb2.OrderShipped(order_id=order_id, tracking_number="TRACK-1", ship_time=at(6))


def delivered(*, order_id: str = ORDER) -> events_pb2.OrderDelivered:
    return events_pb2.OrderDelivered(order_id=order_id, deliver_time=at(7))


def cancelled(*, order_id: str = ORDER) -> events_pb2.OrderCancelled:
    return events_pb2.OrderCancelled(order_id=order_id, reason="too late", cancel_time=at(8))


def one_of_each() -> tuple[OrderEvent, ...]:
    """All that can happen to an order."""
    return (
        created(),
        item_added(item("SKU-2"), euros(40)),
        item_removed("SKU-1", 1, euros(10)),
        paid(euros(5)),
        refunded(euros(5)),
        confirmed(),
        shipped(),
        delivered(),
        cancelled(),
    )


def customer(name: str = "Zoë Łukasz", version: int = 1, *, erased: bool = False) -> customer_pb2.Customer:
    return customer_pb2.Customer(
        customer_id=CUSTOMER,
        name="" if erased else name,
        email="" if erased else "zoe@example.com",
        version=version,
        erase_time=at(9) if erased else None,
    )


def registered(name: str = "Zoë", email: str = "zoe@example.com") -> customer_events.CustomerRegistered:
    return customer_events.CustomerRegistered(
        customer_id=CUSTOMER, personal_data=_personal(name, email), register_time=at(1)
    )


def updated(name: str = "Zoe", email: str = "new@example.com") -> customer_events.CustomerUpdated:
    return customer_events.CustomerUpdated(
        customer_id=CUSTOMER, personal_data=_personal(name, email), update_time=at(2)
    )


def erased() -> customer_events.CustomerErased:
    return customer_events.CustomerErased(customer_id=CUSTOMER, erase_time=at(3))


def _personal(name: str, email: str) -> customer_events.CustomerPersonalData:
    return customer_events.CustomerPersonalData(name=name, email=email)


def stocked(on_hand: int = 12) -> stock_events.InventoryUpdated:
    return stock_events.InventoryUpdated(sku=SKU, on_hand=on_hand, adjustment=on_hand, update_time=at(0))


def reserved(quantity: int = 5) -> stock_events.StockReserved:
    return stock_events.StockReserved(sku=SKU, order_id=ORDER, quantity=quantity, reserve_time=at(1))


def released(quantity: int = 5) -> stock_events.StockReleased:
    return stock_events.StockReleased(sku=SKU, order_id=ORDER, quantity=quantity, release_time=at(2))


def committed(quantity: int = 5) -> stock_events.StockCommitted:
    return stock_events.StockCommitted(sku=SKU, order_id=ORDER, quantity=quantity, commit_time=at(3))


def one_of_each_of_stock() -> tuple[StockEvent, ...]:
    """Each event of a stock item, none of which leaves it as it was."""
    return stocked(11), reserved(), released(), committed()
