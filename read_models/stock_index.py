"""The stock's read model as documents of Elasticsearch; the mapping beside it is `stock_index.json`."""

from collections.abc import Mapping
from typing import Any

from event_schemas.aggregates import stock_item_id
from orderflow.inventory.v1 import stock_item_pb2
from read_models import documents
from read_models.text import fold_text


def index_body() -> dict[str, Any]:
    """Settings and mappings of the index, see `ReadModel`."""
    return documents.index_body("stock")


def document(item: stock_item_pb2.StockItem, *, project_time_us: int) -> dict[str, Any]:
    """The document of a stock item; its `_id` is the stock item's id.

    Args:
        project_time_us: when the document is written, in microseconds since 1970.
    """
    item_id = stock_item_id(item.sku)
    return {
        "stock_item_id": item_id,
        "sku": item.sku,
        "on_hand": item.on_hand,
        "reserved": item.reserved,
        "available": item.available,
        "create_time_us": documents.in_microseconds(item.create_time),
        "update_time_us": documents.in_microseconds(item.update_time),
        "search_text": [fold_text(item_id), fold_text(item.sku)],
        "version": item.version,
        "project_time_us": project_time_us,
        "view": documents.encoded(item),
    }


def view_of(document: Mapping[str, Any]) -> stock_item_pb2.StockItem:
    """The stock item that a document holds."""
    return stock_item_pb2.StockItem.FromString(documents.view_bytes(document))
