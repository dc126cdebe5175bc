"""The customers' read model: folds a customer's events into the customer."""

from operator import attrgetter
from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from event_schemas.aggregates import CUSTOMER, FULFILLMENT, ORDER, STOCK_ITEM
from event_schemas.customers import CustomerEvent
from orderflow.common.v1 import personal_data_pb2
from orderflow.customers.v1 import customer_pb2, events_pb2
from read_models import customers_index
from read_models.read_model import PersonalFields, ReadModel


def evolve(customer: customer_pb2.Customer | None, event: CustomerEvent, version: int) -> customer_pb2.Customer:
    """The customer with the event, which is its `version`th; the given one stays as it is.

    Never refuses history. An event has the whole name and e-mail address, perhaps sealed: they are right without what
    was before.
    """
    after = customer_pb2.Customer()
    if customer is not None:
        after.CopyFrom(customer)
    after.customer_id = event.customer_id
    after.version = version
    after.update_time.CopyFrom(_apply(after, event))
    return after


def sealed(customer: customer_pb2.Customer) -> personal_data_pb2.SealedPersonalData | None:
    """Name and e-mail address, where they are not opened yet."""
    return customer.sealed_personal_data if customer.HasField("sealed_personal_data") else None


def opened(customer: customer_pb2.Customer, data: bytes | None) -> customer_pb2.Customer:
    """The customer with name and e-mail address; with None, where they are gone, without."""
    after = bare(customer)
    if data is not None:
        personal = events_pb2.CustomerPersonalData.FromString(data)
        after.name, after.email = personal.name, personal.email
    return after


def bare(customer: customer_pb2.Customer) -> customer_pb2.Customer:
    """The customer without name and e-mail address, sealed or not."""
    after = customer_pb2.Customer()
    after.CopyFrom(customer)
    _named(after, events_pb2.CustomerPersonalData(), "")
    return after


def tells(customer: customer_pb2.Customer) -> bool:
    """Whether it says who the customer is."""
    return bool(customer.name or customer.email)


def _apply(customer: customer_pb2.Customer, event: CustomerEvent) -> Timestamp:
    """Changes the customer as the event says; answers when the event happened."""
    match event:
        case events_pb2.CustomerRegistered():
            _named(customer, event.personal_data, event.DESCRIPTOR.full_name)
            customer.create_time.CopyFrom(event.register_time)
            return event.register_time
        case events_pb2.CustomerUpdated():
            _named(customer, event.personal_data, event.DESCRIPTOR.full_name)
            return event.update_time
        case events_pb2.CustomerErased():
            _named(customer, events_pb2.CustomerPersonalData(), "")
            customer.erase_time.CopyFrom(event.erase_time)
            return event.erase_time
    assert_never(event)


def _named(customer: customer_pb2.Customer, personal: events_pb2.CustomerPersonalData, event_type: str) -> None:
    customer.name = personal.name
    customer.email = personal.email
    customer.ClearField("sealed_personal_data")
    if personal.sealed:
        customer.sealed_personal_data.key_id = personal.key_id
        customer.sealed_personal_data.aggregate_id = customer.customer_id
        customer.sealed_personal_data.event_type = event_type
        customer.sealed_personal_data.sealed = personal.sealed


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
    personal=PersonalFields(sealed=sealed, opened=opened, bare=bare, tells=tells),
    ignored=[FULFILLMENT, ORDER, STOCK_ITEM],
)
