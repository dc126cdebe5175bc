"""The fulfillment as the command handler sees it: one for each order of automatic fulfillment."""

from uuid import UUID

import event_schemas.fulfillment
from command_service.aggregate import Aggregate
from command_service.errors import OrderAlreadyExists
from command_service.fulfillment.decider import decide
from command_service.fulfillment.state import Fulfillment, evolve
from command_service.naming import ByNaturalKey
from orderflow.fulfillment.v1 import commands_pb2 as commands

TYPE = "fulfillment"
NAMING = ByNaturalKey("order_id", UUID("66756c66-696c-5c6d-856e-740000000001"))


def fulfillment_aggregate() -> Aggregate[Fulfillment]:
    """The fulfillment."""
    return Aggregate(
        name=TYPE,
        creates=commands.RecordProgressRequest,
        naming=NAMING,
        initial=Fulfillment(),
        decide=decide,
        evolve=evolve,
        events=event_schemas.fulfillment.EVENT_TYPES,
        facts=lambda fulfillment: {"order_id": fulfillment.order_id},
        attributes=lambda command: {"orderflow.order.id": command.order_id},
        id_taken=lambda taken: OrderAlreadyExists(f"the id {taken} is taken"),
    )
