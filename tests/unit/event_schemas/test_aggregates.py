"""What readers of events know of aggregates is what the command side makes of them."""

import pytest

from command_service.inventory.aggregate import NAMING, TYPE
from event_schemas.aggregates import AGGREGATES, CUSTOMER, ORDER, STOCK_ITEM
from orderflow.inventory.v1.events_pb2 import InventoryUpdated
from tests.unit.read_models.builders import CUSTOMER as CUSTOMER_ID
from tests.unit.read_models.builders import ORDER as ORDER_ID
from tests.unit.read_models.builders import created, registered


def test_each_event_belongs_to_one_aggregate() -> None:
    names = [event.DESCRIPTOR.full_name for each in AGGREGATES for event in each.events]
    assert len(set(names)) == len(names)
    assert len({each.type for each in AGGREGATES}) == len({each.topic for each in AGGREGATES}) == len(AGGREGATES)


def test_an_event_names_its_aggregate() -> None:
    assert ORDER.id_of(created()) == ORDER_ID
    assert CUSTOMER.id_of(registered()) == CUSTOMER_ID


@pytest.mark.parametrize("sku", ["SKU-1", "Kännchen / 5"])
def test_a_stock_item_has_the_id_that_commands_find_it_by(sku: str) -> None:
    assert STOCK_ITEM.type == TYPE
    assert STOCK_ITEM.id_of(InventoryUpdated(sku=sku)) == str(NAMING.id_of(sku))
