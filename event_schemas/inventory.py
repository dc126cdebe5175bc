"""The events of a stock item, as they are stored."""

from typing import TypeAlias, get_args

from event_schemas.event_types import EventTypes
from orderflow.inventory.v1 import events_pb2

StockEvent: TypeAlias = (
    events_pb2.InventoryUpdated | events_pb2.StockReserved | events_pb2.StockReleased | events_pb2.StockCommitted
)
EVENT_TYPES: EventTypes[StockEvent] = EventTypes(get_args(StockEvent))
