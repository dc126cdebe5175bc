"""The customer as the command handler sees it."""

from command_service.aggregate import Aggregate
from command_service.customers.decider import decide
from command_service.customers.state import Customer, evolve
from command_service.errors import CustomerAlreadyExists
from command_service.naming import ById
from event_schemas.customers import EVENT_TYPES
from orderflow.customers.v1.commands_pb2 import RegisterCustomerRequest

TYPE = "customer"


def customer_aggregate() -> Aggregate[Customer]:
    """The customer."""
    return Aggregate(
        name=TYPE,
        creates=RegisterCustomerRequest,
        naming=ById("customer_id"),
        initial=Customer(),
        decide=decide,
        evolve=evolve,
        events=EVENT_TYPES,
        facts=lambda customer: {"customer_id": customer.customer_id},
        attributes=lambda _command: {},
        id_taken=lambda taken: CustomerAlreadyExists(f"the id {taken} is taken"),
    )
