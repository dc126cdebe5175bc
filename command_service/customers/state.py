"""A customer as the rules see it, and how each event changes it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from command_service.timestamps import moment_of
from event_schemas.customers import CustomerEvent
from orderflow.customers.v1 import events_pb2 as events


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer's state after the first `version` of its events; version 0 is no customer."""

    customer_id: str = ""
    version: int = 0
    name: str = ""
    email: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None
    erase_time: datetime | None = None


def evolve(customer: Customer, event: CustomerEvent) -> Customer:
    """The customer after an event; it happened, so nothing is refused here."""
    customer = replace(customer, version=customer.version + 1)
    match event:
        case events.CustomerRegistered():
            registered = moment_of(event.register_time)
            return replace(
                customer,
                customer_id=event.customer_id,
                name=event.personal_data.name,
                email=event.personal_data.email,
                create_time=registered,
                update_time=registered,
            )
        case events.CustomerUpdated():
            return replace(
                customer,
                name=event.personal_data.name,
                email=event.personal_data.email,
                update_time=moment_of(event.update_time),
            )
        case events.CustomerErased():
            erased = moment_of(event.erase_time)
            return replace(customer, name="", email="", update_time=erased, erase_time=erased)
    assert_never(event)
