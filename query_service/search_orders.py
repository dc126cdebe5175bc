"""Searches orders by text, as a stream of chunks."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from orderflow.orders.v1 import queries_pb2
from query_service import facets, shown_views
from query_service.chunk_stream import ChunkStream
from query_service.deadline import Deadline
from query_service.highlights import highlights
from query_service.order_query import search_query

_DEFAULT_LIMIT = 100


class SearchOrders:
    """The use case SearchOrders."""

    def __init__(self, stream: ChunkStream) -> None:
        self._stream = stream

    async def __call__(
        self, request: queries_pb2.SearchOrdersRequest, deadline: Deadline
    ) -> AsyncGenerator[queries_pb2.SearchOrdersResponse, None]:
        """The chunks of what is found.

        Raises:
            ServiceError: each that the contract names for SearchOrders.
        """
        chunks = self._stream.chunks(search_query(request), request, request.limit or _DEFAULT_LIMIT, deadline)
        async with aclosing(chunks):
            async for chunk in chunks:
                response = queries_pb2.SearchOrdersResponse(resume_token=chunk.resume_token)
                for found in chunk.found:
                    view = shown_views.merge(response.orders.add(), found.view)
                    response.highlights.extend(highlights(view, found.marked))
                if chunk.opening:
                    response.freshness.CopyFrom(chunk.opening.freshness)
                    response.total, response.total_is_at_least = _total(chunk.opening.answer)
                    response.facet_counts.extend(facets.counts(request.facets, chunk.opening.answer))
                yield response


def _total(answer: Mapping[str, Any]) -> tuple[int, bool]:
    """How many were counted, and whether there are more."""
    total = answer["hits"]["total"]
    return total["value"], total["relation"] != "eq"
