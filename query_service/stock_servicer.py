"""InventoryQueryService: each method hands its request to its use case."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from orderflow.inventory.v1 import inventory_query_service_pb2_grpc, queries_pb2
from query_service.deadline import Deadline
from query_service.stock_items import GetStockItem, ListStockItems
from service_kit.grpc_layers import Context


class InventoryQueryServicer(inventory_query_service_pb2_grpc.InventoryQueryServiceServicer):
    """Serves the queries of stock."""

    def __init__(self, *, get: GetStockItem, list_: ListStockItems) -> None:
        self._get = get
        self._list = list_

    async def GetStockItem(
        self, request: queries_pb2.GetStockItemRequest, context: Context
    ) -> queries_pb2.GetStockItemResponse:
        """Reads one stock item."""
        return await self._get(request, Deadline.of(context))

    async def ListStockItems(
        self, request: queries_pb2.ListStockItemsRequest, context: Context
    ) -> AsyncGenerator[queries_pb2.ListStockItemsResponse, None]:
        """Lists stock items."""
        async with aclosing(self._list(request, Deadline.of(context))) as responses:
            async for response in responses:
                yield response
