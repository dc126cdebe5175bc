"""The stock item as the command handler sees it: one for each SKU."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import event_schemas.inventory
from command_service import timestamps
from command_service.aggregate import Aggregate
from command_service.inventory import state
from command_service.inventory.decider import decide
from command_service.inventory.state import StockItem, evolve
from command_service.naming import ByNaturalKey
from command_service.snapshots import Snapshots
from orderflow.inventory.v1 import commands_pb2 as commands
from service_kit.errors import InvalidArgument

TYPE = "stock_item"
NAMING = ByNaturalKey("sku", UUID("73746f63-6b5f-5974-a56d-000000000001"))


def stock_item_aggregate() -> Aggregate[StockItem]:
    """The stock item."""
    return Aggregate(
        name=TYPE,
        creates=commands.UpdateInventoryRequest,
        naming=NAMING,
        initial=StockItem(),
        decide=decide,
        evolve=evolve,
        events=event_schemas.inventory.EVENT_TYPES,
        facts=_facts,
        attributes=lambda command: {"orderflow.stock_item.sku": command.sku},
        id_taken=lambda taken: InvalidArgument.of("sku", f"its id {taken} is taken"),
        snapshots=Snapshots(TYPE, StockItem, [state, timestamps, event_schemas.inventory]),
    )


def _facts(item: StockItem) -> Mapping[str, Any]:
    return {"sku": item.sku, "on_hand": item.on_hand, "reserved": item.reserved, "available": item.available}
