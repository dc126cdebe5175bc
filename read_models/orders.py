"""The orders' read model: folds an order's events, and its customer, into the view that queries answer with."""

from operator import attrgetter
from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import money_pb2

from event_schemas.aggregates import FULFILLMENT, ORDER, STOCK_ITEM
from event_schemas.orders import OrderEvent
from orderflow.common.v1 import address_pb2, personal_data_pb2
from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import events_pb2, order_pb2, views_pb2
from read_models import money, orders_index
from read_models.read_model import CustomerEnrichment, PersonalFields, ReadModel


def evolve(view: views_pb2.OrderView | None, event: OrderEvent, version: int) -> views_pb2.OrderView:
    """The view with the event, which is the order's `version`th; the given view stays as it is.

    Never refuses history: whatever the event store accepted has happened.
    """
    after = views_pb2.OrderView(enrichment_state=views_pb2.ENRICHMENT_STATE_PENDING)
    if view is not None:
        after.CopyFrom(view)
    after.order_id = event.order_id
    after.version = version
    after.update_time.CopyFrom(_apply(after, event))
    return after


def with_customer(view: views_pb2.OrderView, customer: customer_pb2.Customer | None) -> views_pb2.OrderView:
    """The view with its customer's name and e-mail; with None, that is while the customer is not known, without."""
    enriched = views_pb2.OrderView()
    enriched.CopyFrom(view)
    enriched.customer_name = customer.name if customer else ""
    enriched.customer_email = customer.email if customer else ""
    enriched.customer_version = customer.version if customer else 0
    if customer is not None and customer.HasField("erase_time"):
        _strip(enriched)
    if customer is None:
        enriched.enrichment_state = views_pb2.ENRICHMENT_STATE_PENDING
    elif customer.HasField("erase_time"):
        enriched.enrichment_state = views_pb2.ENRICHMENT_STATE_ERASED
    else:
        enriched.enrichment_state = views_pb2.ENRICHMENT_STATE_COMPLETE
    return enriched


def sealed(view: views_pb2.OrderView) -> personal_data_pb2.SealedPersonalData | None:
    """The shipping address, where it is not opened yet."""
    return view.sealed_personal_data if view.HasField("sealed_personal_data") else None


def opened(view: views_pb2.OrderView, data: bytes | None) -> views_pb2.OrderView:
    """The view with its shipping address; with None, where that is gone, without."""
    after = bare(view)
    if data is not None:
        _addressed(after, events_pb2.OrderPersonalData.FromString(data))
    return after


def bare(view: views_pb2.OrderView) -> views_pb2.OrderView:
    """The view without its shipping address, sealed or not."""
    after = views_pb2.OrderView()
    after.CopyFrom(view)
    _strip(after)
    return after


def tells(view: views_pb2.OrderView) -> bool:
    """Whether it says who the customer is, or where they live."""
    return bool(view.customer_name or view.customer_email or view.address_full or view.HasField("shipping_address"))


def pending(view: views_pb2.OrderView) -> views_pb2.OrderView:
    """The view with its customer as it is, to be looked up again."""
    after = views_pb2.OrderView()
    after.CopyFrom(view)
    after.enrichment_state = views_pb2.ENRICHMENT_STATE_PENDING
    return after


def is_pending(view: views_pb2.OrderView) -> bool:
    """Whether its customer is to be looked up."""
    return view.enrichment_state == views_pb2.ENRICHMENT_STATE_PENDING


def is_erased(view: views_pb2.OrderView) -> bool:
    """Whether its customer was erased."""
    return view.enrichment_state == views_pb2.ENRICHMENT_STATE_ERASED


def _apply(view: views_pb2.OrderView, event: OrderEvent) -> Timestamp:  # noqa: PLR0911 -- one case an event
    """Changes the view as the event says; answers when the event happened."""
    match event:
        case events_pb2.OrderCreated():
            return _created(view, event)
        case events_pb2.ItemAdded():
            return _item_added(view, event)
        case events_pb2.ItemRemoved():
            return _item_removed(view, event)
        case events_pb2.PaymentProcessed():
            view.paid_amount.CopyFrom(money.add(view.paid_amount, event.amount))
            return event.payment_time
        case events_pb2.RefundRecorded():
            view.refunded_amount.CopyFrom(money.add(view.refunded_amount, event.amount))
            return event.refund_time
        case events_pb2.OrderConfirmed():
            return _confirmed(view, event)
        case events_pb2.OrderShipped():
            view.status = order_pb2.ORDER_STATUS_SHIPPED
            view.tracking_number = event.tracking_number
            view.ship_time.CopyFrom(event.ship_time)
            return event.ship_time
        case events_pb2.OrderDelivered():
            view.status = order_pb2.ORDER_STATUS_DELIVERED
            view.deliver_time.CopyFrom(event.deliver_time)
            return event.deliver_time
        case events_pb2.OrderCancelled():
            view.status = order_pb2.ORDER_STATUS_CANCELLED
            view.cancel_reason = event.reason
            view.cancel_time.CopyFrom(event.cancel_time)
            return event.cancel_time
    assert_never(event)


def _created(view: views_pb2.OrderView, event: events_pb2.OrderCreated) -> Timestamp:
    currency = event.total_amount.currency_code
    view.customer_id = event.customer_id
    view.status = order_pb2.ORDER_STATUS_PENDING
    view.items.extend(event.items)
    _items_changed(view, event.total_amount)
    view.paid_amount.CopyFrom(money.zero(currency))
    view.refunded_amount.CopyFrom(money.zero(currency))
    view.fulfillment_mode = event.fulfillment_mode
    view.estimated_delivery_time.CopyFrom(event.estimated_delivery_time)
    view.create_time.CopyFrom(event.create_time)
    if event.personal_data.sealed:
        view.sealed_personal_data.key_id = event.personal_data.key_id
        view.sealed_personal_data.aggregate_id = event.order_id
        view.sealed_personal_data.event_type = event.DESCRIPTOR.full_name
        view.sealed_personal_data.sealed = event.personal_data.sealed
    _addressed(view, event.personal_data)
    return event.create_time


def _item_added(view: views_pb2.OrderView, event: events_pb2.ItemAdded) -> Timestamp:
    view.items.append(event.item)
    _items_changed(view, event.total_amount)
    return event.add_time


def _item_removed(view: views_pb2.OrderView, event: events_pb2.ItemRemoved) -> Timestamp:
    """Units go from the last line with the SKU first; a line left with none is gone."""
    left = event.quantity
    for index in reversed(range(len(view.items))):
        line = view.items[index]
        if line.sku == event.sku:
            removed = min(left, line.quantity)
            left -= removed
            line.quantity -= removed
            if line.quantity == 0:
                del view.items[index]
    _items_changed(view, event.total_amount)
    return event.remove_time


def _items_changed(view: views_pb2.OrderView, total: money_pb2.Money) -> None:
    view.item_names[:] = [each.product_name for each in view.items]
    view.total_amount.CopyFrom(total)


def _confirmed(view: views_pb2.OrderView, event: events_pb2.OrderConfirmed) -> Timestamp:
    view.status = order_pb2.ORDER_STATUS_CONFIRMED
    if event.HasField("estimated_delivery_time"):
        view.estimated_delivery_time.CopyFrom(event.estimated_delivery_time)
    view.confirm_time.CopyFrom(event.confirm_time)
    return event.confirm_time


def _addressed(view: views_pb2.OrderView, personal: events_pb2.OrderPersonalData) -> None:
    if personal.HasField("shipping_address"):
        view.shipping_address.CopyFrom(personal.shipping_address)
        view.address_full = _address_line(view.shipping_address)


def _strip(view: views_pb2.OrderView) -> None:
    for name in ("shipping_address", "address_full", "sealed_personal_data"):
        view.ClearField(name)


def _address_line(address: address_pb2.Address) -> str:
    """The whole address as one line of text, its parts in the order in which an envelope has them."""
    town = f"{address.postal_code} {address.locality}".strip()
    parts = (address.recipient, *address.address_lines, town, address.administrative_area, address.region_code)
    return ", ".join(part for part in parts if part)


ORDERS = ReadModel(
    name="orders",
    aggregate=ORDER,
    id_field="order_id",
    evolve=evolve,
    index_body=orders_index.index_body,
    document=orders_index.document,
    view_of=orders_index.view_of,
    parse=views_pb2.OrderView.FromString,
    id_of=attrgetter("order_id"),
    enrichment=CustomerEnrichment(
        customer_id=attrgetter("customer_id"),
        customer_version=attrgetter("customer_version"),
        with_customer=with_customer,
        pending=pending,
        is_pending=is_pending,
        is_erased=is_erased,
    ),
    personal=PersonalFields(sealed=sealed, opened=opened, bare=bare, tells=tells),
    cache_prefix="order:read:",
    listed_by=["customer_id"],
    ignored=[FULFILLMENT, STOCK_ITEM],
)
