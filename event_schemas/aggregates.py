"""The aggregates, as the event log and Kafka tell of them."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic
from uuid import UUID, uuid5

from event_schemas import customers, fulfillment, inventory, orders
from event_schemas.event_types import Event, EventTypes

_STOCK_ITEMS = UUID("73746f63-6b5f-5974-a56d-000000000001")  # as the contract of their events says
_FULFILLMENTS = UUID("66756c66-696c-5c6d-856e-740000000001")


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[Event]):
    """A type of aggregate.

    Args:
        type: as each of its events is recorded with.
        topic: the middle part of its topic's name.
        events: all that can happen to one.
        id_of: the id of the aggregate that an event names.
    """

    type: str
    topic: str
    events: EventTypes[Event]
    id_of: Callable[[Event], str]


def stock_item_id(sku: str) -> str:
    """The id of a product's stock item."""
    return str(uuid5(_STOCK_ITEMS, sku))


ORDER: Aggregate[Any] = Aggregate("order", "orders", orders.EVENT_TYPES, attrgetter("order_id"))
CUSTOMER: Aggregate[Any] = Aggregate("customer", "customers", customers.EVENT_TYPES, attrgetter("customer_id"))
STOCK_ITEM: Aggregate[Any] = Aggregate(
    "stock_item", "inventory", inventory.EVENT_TYPES, lambda event: stock_item_id(event.sku)
)
FULFILLMENT: Aggregate[Any] = Aggregate(
    "fulfillment",
    "fulfillment",
    fulfillment.EVENT_TYPES,
    lambda event: str(uuid5(_FULFILLMENTS, event.order_id)),
)
AGGREGATES = (ORDER, CUSTOMER, STOCK_ITEM, FULFILLMENT)
