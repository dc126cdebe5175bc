"""The aggregates, as the event log and Kafka tell of them."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic

from event_schemas import customers, orders
from event_schemas.event_types import Event, EventTypes


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


ORDER: Aggregate[Any] = Aggregate("order", "orders", orders.EVENT_TYPES, attrgetter("order_id"))
CUSTOMER: Aggregate[Any] = Aggregate("customer", "customers", customers.EVENT_TYPES, attrgetter("customer_id"))
AGGREGATES = (ORDER, CUSTOMER)
