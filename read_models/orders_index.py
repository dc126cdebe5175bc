"""The orders' read model as documents of Elasticsearch; the mapping beside it is `orders_index.json`."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from orderflow.orders.v1 import order_pb2, views_pb2
from read_models import documents
from read_models.money import in_ten_thousandths
from read_models.text import fold_text

TOTAL_PARTS = 10**9
"""Elasticsearch sums in floating point, exactly only up to 2^53: so totals are summed in two parts."""
_STATUSES = {number: name.removeprefix("ORDER_STATUS_") for name, number in order_pb2.OrderStatus.items()}
_ENRICHMENTS = {number: name.removeprefix("ENRICHMENT_STATE_") for name, number in views_pb2.EnrichmentState.items()}


def index_body() -> dict[str, Any]:
    """Settings and mappings of the index, see `ReadModel`."""
    return documents.index_body("orders")


def document(view: views_pb2.OrderView, *, project_time_us: int) -> dict[str, Any]:
    """The document of a view; its `_id` is the order's id.

    What queries filter, sort and search by stands beside the view itself, which is forwarded as it is.

    Args:
        project_time_us: when the document is written, in microseconds since 1970.
    """
    total_e4 = in_ten_thousandths(view.total_amount)
    return {
        "order_id": view.order_id,
        "customer_id": view.customer_id,
        "status": _STATUSES[view.status],
        "currency": view.total_amount.currency_code,
        "total_e4": total_e4,
        "total_high": total_e4 // TOTAL_PARTS,
        "total_low": total_e4 % TOTAL_PARTS,
        "create_time_us": documents.in_microseconds(view.create_time),
        "update_time_us": documents.in_microseconds(view.update_time),
        "create_month": datetime.fromtimestamp(view.create_time.seconds, UTC).isoformat()[:7],
        "tracking_number": view.tracking_number,
        "search_text": [folded for _, text in searched_texts(view) if (folded := fold_text(text))],
        "version": view.version,
        "customer_version": view.customer_version,
        "enrichment": _enrichment(view),
        "project_time_us": project_time_us,
        "view": documents.encoded(view),
    }


def view_of(document: Mapping[str, Any]) -> views_pb2.OrderView:
    """The view that a document holds."""
    return views_pb2.OrderView.FromString(documents.view_bytes(document))


def _enrichment(view: views_pb2.OrderView) -> str:
    return "SEALED" if view.HasField("sealed_personal_data") else _ENRICHMENTS[view.enrichment_state]


def searched_texts(view: views_pb2.OrderView) -> Iterator[tuple[str, str]]:
    """What an order is found by: each text with the path of its field in the view."""
    yield "order_id", view.order_id
    yield "customer_name", view.customer_name
    yield "customer_email", view.customer_email
    yield from (("item_names", each) for each in view.item_names)
    yield from (("items.sku", each.sku) for each in view.items)
    yield "tracking_number", view.tracking_number
    yield "address_full", view.address_full
