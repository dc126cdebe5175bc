"""What a list of stock items asks for, from its request to Elasticsearch."""

from typing import Any

from orderflow.inventory.v1 import queries_pb2
from query_service import ordering
from query_service.query import Query, digest_of, request_of


def stock_query(request: queries_pb2.ListStockItemsRequest) -> Query:
    """What ListStockItems asks for.

    Raises:
        InvalidArgument: `order_by` cannot be understood.
    """
    order = ordering.STOCK.parse(request.order_by, ordering.BY_SKU)
    admitted = request_of({"bool": {"filter": _conditions(request.filter)}}, order)
    digest = digest_of("ListStockItems", request.filter, order)
    return Query("ListStockItems", "orderflow.stock_item.count", order, digest, admitted, admitted)


def _conditions(asked: queries_pb2.StockItemFilter) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = []
    if asked.sku_prefix:
        conditions.append({"prefix": {"sku": asked.sku_prefix}})
    if asked.HasField("max_available"):
        conditions.append({"range": {"available": {"lte": asked.max_available}}})
    return conditions
