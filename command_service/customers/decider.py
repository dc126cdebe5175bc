"""The rules of customers: from a command and the present state to events, or to a refusal."""

from datetime import datetime
from typing import TypeAlias

from command_service.customers.state import Customer
from command_service.errors import CustomerAlreadyExists, CustomerNotFound
from command_service.timestamps import stamp
from event_schemas.customers import CustomerEvent
from orderflow.customers.v1 import commands_pb2 as commands
from orderflow.customers.v1 import events_pb2 as events

Command: TypeAlias = commands.RegisterCustomerRequest | commands.UpdateCustomerRequest | commands.EraseCustomerRequest


def decide(command: Command, customer: Customer, now: datetime) -> list[CustomerEvent]:
    """The events that a command makes of a customer; none when it is accepted and changes nothing.

    Args:
        command: with its customer id set, in lower case.
        now: the time that goes into the events.

    Raises:
        ServiceError: a rule refuses the command; the reason is the contract's.
    """
    match command:
        case commands.RegisterCustomerRequest() if customer.version == 0:
            personal = events.CustomerPersonalData(name=command.name, email=command.email)
            return [
                events.CustomerRegistered(
                    customer_id=command.customer_id, personal_data=personal, register_time=stamp(now)
                )
            ]
        case commands.RegisterCustomerRequest():
            raise CustomerAlreadyExists(
                f"customer {customer.customer_id} exists already", metadata={"current_version": str(customer.version)}
            )
        case _ if customer.version == 0:
            raise CustomerNotFound(f"there is no customer {command.customer_id}")
        case commands.UpdateCustomerRequest() if customer.erase_time is None:
            return _updated(command, customer, now)
        case commands.UpdateCustomerRequest():
            raise CustomerNotFound(f"customer {customer.customer_id} was erased")
        case commands.EraseCustomerRequest() if customer.erase_time is None:
            return [events.CustomerErased(customer_id=customer.customer_id, erase_time=stamp(now))]
        case _:
            return []


def _updated(command: commands.UpdateCustomerRequest, customer: Customer, now: datetime) -> list[CustomerEvent]:
    name = command.name if command.HasField("name") else customer.name
    email = command.email if command.HasField("email") else customer.email
    if (name, email) == (customer.name, customer.email):
        return []
    personal = events.CustomerPersonalData(name=name, email=email)
    return [events.CustomerUpdated(customer_id=customer.customer_id, personal_data=personal, update_time=stamp(now))]
