"""The customers' read model: folds a customer's events into the customer."""

from operator import attrgetter
from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from event_schemas.aggregates import CUSTOMER, ORDER, STOCK_ITEM
from event_schemas.customers import CustomerEvent
from orderflow.customers.v1 import customer_pb2, events_pb2
from read_models import customers_index
from read_models.read_model import ReadModel


def evolve(customer: customer_pb2.Customer | None, event: CustomerEvent, version: int) -> customer_pb2.Customer:
    """The customer with the event, which is its `version`th; the given one stays as it is.

    Never refuses history. An event has the whole name and e-mail address: they are right without what was before.
    """
    after = customer_pb2.Customer()
    if customer is not None:
        after.CopyFrom(customer)
    after.customer_id = event.customer_id
    after.version = version
    after.update_time.CopyFrom(_apply(after, event))
    return after


def _apply(customer: customer_pb2.Customer, event: CustomerEvent) -> Timestamp:
    """Changes the customer as the event says; answers when the event happened."""
    match event:
        case events_pb2.CustomerRegistered():
            _named(customer, event.personal_data)
            customer.create_time.CopyFrom(event.register_time)
            return event.register_time
        case events_pb2.CustomerUpdated():
            _named(customer, event.personal_data)
            return event.update_time
        case events_pb2.CustomerErased():
            _named(customer, events_pb2.CustomerPersonalData())
            customer.erase_time.CopyFrom(event.erase_time)
            return event.erase_time
    assert_never(event)


def _named(customer: customer_pb2.Customer, personal: events_pb2.CustomerPersonalData) -> None:
    customer.name = personal.name
    customer.email = personal.email


CUSTOMERS = ReadModel(
    name="customers",
    aggregate=CUSTOMER,
    id_field="customer_id",
    evolve=evolve,
    index_body=customers_index.index_body,
    document=customers_index.document,
    view_of=customers_index.view_of,
    parse=customer_pb2.Customer.FromString,
    id_of=attrgetter("customer_id"),
    ignored=[ORDER, STOCK_ITEM],
)
