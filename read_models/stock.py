"""The stock's read model: folds a stock item's events into what there is, what orders hold, and what is left."""

from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from event_schemas.aggregates import CUSTOMER, FULFILLMENT, ORDER, STOCK_ITEM, stock_item_id
from event_schemas.inventory import StockEvent
from orderflow.inventory.v1 import events_pb2, stock_item_pb2
from read_models import stock_index
from read_models.read_model import ReadModel


def evolve(item: stock_item_pb2.StockItem | None, event: StockEvent, version: int) -> stock_item_pb2.StockItem:
    """The stock item with the event, which is its `version`th; the given one stays as it is.

    Never refuses history.
    """
    after = stock_item_pb2.StockItem()
    if item is not None:
        after.CopyFrom(item)
    after.sku = event.sku
    after.version = version
    after.update_time.CopyFrom(_apply(after, event))
    after.available = after.on_hand - after.reserved
    if not after.HasField("create_time"):
        after.create_time.CopyFrom(after.update_time)
    return after


def _apply(item: stock_item_pb2.StockItem, event: StockEvent) -> Timestamp:
    """Changes the stock item as the event says; answers when the event happened."""
    match event:
        case events_pb2.InventoryUpdated():
            item.on_hand = event.on_hand
            return event.update_time
        case events_pb2.StockReserved():
            item.reserved += event.quantity
            return event.reserve_time
        case events_pb2.StockReleased():
            item.reserved -= event.quantity
            return event.release_time
        case events_pb2.StockCommitted():
            item.reserved -= event.quantity
            item.on_hand -= event.quantity
            return event.commit_time
    assert_never(event)


STOCK = ReadModel(
    name="stock",
    aggregate=STOCK_ITEM,
    id_field="stock_item_id",
    evolve=evolve,
    index_body=stock_index.index_body,
    document=stock_index.document,
    view_of=stock_index.view_of,
    parse=stock_item_pb2.StockItem.FromString,
    id_of=lambda item: stock_item_id(item.sku),
    ignored=[ORDER, CUSTOMER, FULFILLMENT],
)
