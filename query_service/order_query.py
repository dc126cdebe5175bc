"""What a list or search of orders asks for, from its request to Elasticsearch."""

from orderflow.orders.v1 import queries_pb2
from query_service import facets, order_filter, ordering, search_text
from query_service.highlights import REQUEST as HIGHLIGHTS
from query_service.query import Query, digest_of, request_of

_COUNTED_AS = "orderflow.order.count"


def list_query(request: queries_pb2.ListOrdersRequest) -> Query:
    """What ListOrders asks for.

    Raises:
        InvalidArgument: filter or `order_by` cannot be understood.
    """
    asked = order_filter.normalized(request.filter)
    order = ordering.ORDERS.parse(request.order_by, ordering.NEWEST_FIRST)
    admitted = request_of({"bool": {"filter": order_filter.conditions(asked)}}, order)
    return Query("ListOrders", _COUNTED_AS, order, digest_of("ListOrders", asked, order), admitted, admitted)


def search_query(request: queries_pb2.SearchOrdersRequest) -> Query:
    """What SearchOrders asks for.

    Raises:
        InvalidArgument: filter or `order_by` cannot be understood, or the text holds too many words.
    """
    asked = order_filter.normalized(request.filter)
    order = ordering.ORDERS.parse(request.order_by, ordering.BEST_FIRST)
    text = search_text.parse(request.query)
    found = request_of({"bool": {"filter": order_filter.conditions(asked), **text.conditions()}}, order)
    if text.is_positive:
        found |= HIGHLIGHTS
    counted = {**found, "track_total_hits": request.count_limit or True, "aggs": facets.aggregations(request.facets)}
    return Query(
        "SearchOrders", _COUNTED_AS, order, digest_of("SearchOrders", asked, order, repr(text)), found, counted
    )


def watch_digest(asked: queries_pb2.OrderFilter) -> bytes:
    """The same for all watches that may continue one another, of a normalized filter."""
    return digest_of("WatchOrders", asked, ordering.NEWEST_FIRST)


def summaries_digest(asked: queries_pb2.OrderFilter) -> bytes:
    """The same for all lists of customers that may continue one another, of a normalized filter."""
    return digest_of("ListCustomerSummaries", asked, ordering.NEWEST_FIRST)
