"""What a list or search asks for, from its request to Elasticsearch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orderflow.orders.v1 import queries_pb2
from query_service import facets, order_filter, ordering, search_text
from query_service.highlights import REQUEST as HIGHLIGHTS
from query_service.ordering import Ordering

_PRINCIPAL = b"anonymous"


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """Which orders, in which order.

    Args:
        name: of the method that was called.
        ordering: the order to send them in.
        digest: the same for all calls that may continue one another.
        request: to Elasticsearch, but for the page.
        first_request: the same, also asking for what is counted over all pages.
    """

    name: str
    ordering: Ordering
    digest: bytes
    request: Mapping[str, Any]
    first_request: Mapping[str, Any]


def list_query(request: queries_pb2.ListOrdersRequest) -> OrderQuery:
    """What ListOrders asks for.

    Raises:
        InvalidArgument: filter or `order_by` cannot be understood.
    """
    asked = order_filter.normalized(request.filter)
    order = ordering.parse(request.order_by, ordering.NEWEST_FIRST)
    admitted = _request({"bool": {"filter": order_filter.conditions(asked)}}, order)
    return OrderQuery("ListOrders", order, _digest("ListOrders", asked, order, ""), admitted, admitted)


def search_query(request: queries_pb2.SearchOrdersRequest) -> OrderQuery:
    """What SearchOrders asks for.

    Raises:
        InvalidArgument: filter or `order_by` cannot be understood, or the text holds too many words.
    """
    asked = order_filter.normalized(request.filter)
    order = ordering.parse(request.order_by, ordering.BEST_FIRST)
    text = search_text.parse(request.query)
    found = _request({"bool": {"filter": order_filter.conditions(asked), **text.conditions()}}, order)
    if text.is_positive:
        found |= HIGHLIGHTS
    counted = {**found, "track_total_hits": request.count_limit or True, "aggs": facets.aggregations(request.facets)}
    return OrderQuery("SearchOrders", order, _digest("SearchOrders", asked, order, repr(text)), found, counted)


def watch_digest(asked: queries_pb2.OrderFilter) -> bytes:
    """The same for all watches that may continue one another, of a normalized filter."""
    return _digest("WatchOrders", asked, ordering.NEWEST_FIRST, "")


def summaries_digest(asked: queries_pb2.OrderFilter) -> bytes:
    """The same for all lists of customers that may continue one another, of a normalized filter."""
    return _digest("ListCustomerSummaries", asked, ordering.NEWEST_FIRST, "")


def _request(query: Mapping[str, Any], order: Ordering) -> dict[str, Any]:
    return {"query": query, "sort": order.to_sort(), "source": ["view"], "track_total_hits": False}


def _digest(name: str, asked: queries_pb2.OrderFilter, order: Ordering, text: str) -> bytes:
    parts = [asked.SerializeToString(deterministic=True), json.dumps(order.to_sort()).encode(), text.encode()]
    digest = hashlib.sha256()
    for part in (_PRINCIPAL, name.encode(), *parts):
        digest.update(len(part).to_bytes(4) + part)
    return digest.digest()
