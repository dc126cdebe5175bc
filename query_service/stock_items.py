"""Shows stock: one item by its SKU, or many as a stream of chunks."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from opentelemetry import trace

from event_schemas.aggregates import stock_item_id
from orderflow.common.v1 import consistency_pb2
from orderflow.inventory.v1 import queries_pb2
from query_service.chunk_stream import ChunkStream
from query_service.consistency import wait_until_visible, wanted_by
from query_service.deadline import Deadline
from query_service.errors import EventualConsistencyTimeout, StockItemNotFound
from query_service.index import Index, Stored
from query_service.stock_query import stock_query
from read_models.stock_index import view_of


class GetStockItem:
    """The use case GetStockItem.

    Args:
        wait_seconds: longest wait for a wanted version or token.
    """

    def __init__(self, index: Index, *, wait_seconds: float) -> None:
        self._index = index
        self._wait_seconds = wait_seconds

    async def __call__(
        self, request: queries_pb2.GetStockItemRequest, deadline: Deadline
    ) -> queries_pb2.GetStockItemResponse:
        """The stock item as it is now.

        Raises:
            ServiceError: each that the contract names for GetStockItem.
        """
        item_id = stock_item_id(request.sku)
        attributes = {"orderflow.query.type": "GetStockItem", "orderflow.aggregate.id": item_id}
        trace.get_current_span().set_attributes(attributes)
        wanted = wanted_by(request.consistency_tokens)
        min_version = max(request.min_version, wanted.stock_items.get(item_id, 0))

        async def read() -> Stored:
            found = await self._index.stored(item_id, deadline)
            if found is None and min_version == 0:
                raise StockItemNotFound(f"no stock was ever recorded for {request.sku!r}")
            seen = 0 if found is None else view_of(found.source).version
            if found is None or seen < min_version:
                raise EventualConsistencyTimeout(f"stock_item/{item_id}", wanted=min_version, seen=seen)
            return found

        found, waited = await wait_until_visible(read, self._wait_seconds, deadline)
        response = queries_pb2.GetStockItemResponse(stock_item=view_of(found.source))
        response.freshness.source = consistency_pb2.READ_SOURCE_READ_MODEL
        response.freshness.project_time.FromMicroseconds(found.source["project_time_us"])
        response.freshness.wait_duration.FromTimedelta(waited)
        return response


class ListStockItems:
    """The use case ListStockItems."""

    def __init__(self, stream: ChunkStream) -> None:
        self._stream = stream

    async def __call__(
        self, request: queries_pb2.ListStockItemsRequest, deadline: Deadline
    ) -> AsyncGenerator[queries_pb2.ListStockItemsResponse, None]:
        """The chunks of the list.

        Raises:
            ServiceError: each that the contract names for ListStockItems.
        """
        chunks = self._stream.chunks(stock_query(request), request, request.limit or None, deadline)
        async with aclosing(chunks):
            async for chunk in chunks:
                response = queries_pb2.ListStockItemsResponse(resume_token=chunk.resume_token)
                for found in chunk.found:
                    response.stock_items.add().MergeFromString(found.view)
                if chunk.opening:
                    response.freshness.CopyFrom(chunk.opening.freshness)
                yield response
