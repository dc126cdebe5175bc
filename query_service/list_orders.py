"""Lists orders as a stream of chunks."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from orderflow.orders.v1 import queries_pb2
from query_service import shown_views
from query_service.chunk_stream import ChunkStream
from query_service.deadline import Deadline
from query_service.order_query import list_query


class ListOrders:
    """The use case ListOrders."""

    def __init__(self, stream: ChunkStream) -> None:
        self._stream = stream

    async def __call__(
        self, request: queries_pb2.ListOrdersRequest, deadline: Deadline
    ) -> AsyncGenerator[queries_pb2.ListOrdersResponse, None]:
        """The chunks of the list.

        Raises:
            ServiceError: each that the contract names for ListOrders.
        """
        chunks = self._stream.chunks(list_query(request), request, request.limit or None, deadline)
        async with aclosing(chunks):
            async for chunk in chunks:
                response = queries_pb2.ListOrdersResponse(resume_token=chunk.resume_token)
                for found in chunk.found:
                    shown_views.merge(response.orders.add(), found.view)
                if chunk.opening:
                    response.freshness.CopyFrom(chunk.opening.freshness)
                yield response
