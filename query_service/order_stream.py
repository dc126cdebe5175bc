"""Streams the orders that a query finds, in chunks that can each be continued."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opentelemetry import trace

from orderflow.common.v1 import consistency_pb2
from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.resume_token_pb2 import ResumeTokenContents
from query_service.consistency import wanted_by
from query_service.deadline import Deadline
from query_service.order_index import PointInTime
from query_service.order_pages import FoundOrder, PageReader, Position
from query_service.order_query import OrderQuery
from query_service.points_in_time import PointsInTime, Shown
from query_service.resume_token import ResumeTokens

_CHUNK_ORDERS = 100
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Opening:
    """What only the first chunk says.

    Args:
        answer: of Elasticsearch to the call's first page.
    """

    freshness: consistency_pb2.ListFreshness
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next orders.

    Args:
        resume_token: continues after them; empty when nothing follows.
        opening: only in the first chunk.
    """

    orders: Sequence[FoundOrder]
    resume_token: str
    opening: Opening | None


class OrderStream:
    """Answers queries chunk by chunk."""

    def __init__(self, points: PointsInTime, pages: PageReader, tokens: ResumeTokens) -> None:
        self._points = points
        self._pages = pages
        self._tokens = tokens

    async def chunks(
        self,
        query: OrderQuery,
        request: queries_pb2.ListOrdersRequest | queries_pb2.SearchOrdersRequest,
        limit: int | None,
        deadline: Deadline,
    ) -> AsyncGenerator[Chunk, None]:
        """All chunks of an answer, at least one.

        Args:
            query: what the request asks for.
            request: with the tokens to continue from and to wait for.
            limit: how many orders to send unless an earlier call left some of its limit; None for all.
            deadline: of the call.

        Raises:
            TokenInvalid: a resume token or consistency token is not good.
            EventualConsistencyTimeout: what must be seen did not become visible in time.
            ReadModelUnavailable: Elasticsearch is away.
        """
        span = trace.get_current_span()
        span.set_attribute("orderflow.query.type", query.name)
        wanted = wanted_by(request.consistency_tokens)
        position, earlier = self._start(query, request.resume_token, limit)
        sent = 0
        try:
            async with (
                self._points.showing(wanted, earlier, deadline, replaceable=not query.ordering.is_relative) as shown,
                aclosing(self._pages.pages(query, shown.point, position, deadline)) as pages,
            ):
                async for page in pages:
                    opening = Opening(shown.freshness, page.answer)
                    for orders, is_last_of_page in _split(page.orders):
                        position = position.moved(orders)
                        follows = page.follows or not is_last_of_page
                        shown.outlives |= follows and not query.ordering.is_stable
                        token = self._token(query, position, shown) if follows else ""
                        yield Chunk(orders, token, None if sent else opening)
                        sent += len(orders)
        finally:
            span.set_attribute("orderflow.order.count", sent)

    def _start(self, query: OrderQuery, token: str, limit: int | None) -> tuple[Position, PointInTime | None]:
        if not token:
            return Position((), limit), None
        contents = self._tokens.read(token, query.digest)
        after = (*map(json.loads, contents.sort_values), contents.last_order_id)
        return Position(after, contents.remaining or limit), _point_of(contents.pit_id)

    def _token(self, query: OrderQuery, position: Position, shown: Shown) -> str:
        *place, order_id = position.after
        contents = ResumeTokenContents(
            query_digest=query.digest,
            sort_values=[json.dumps(value) for value in place],
            last_order_id=order_id,
            remaining=position.left or 0,
            pit_id=_pit_id(shown.point) if shown.outlives else "",
        )
        return self._tokens.issue(contents)


def _split(orders: Sequence[FoundOrder]) -> Iterator[tuple[Sequence[FoundOrder], bool]]:
    """The orders in chunks of bounded count and size, each with whether it is the last; one empty chunk for none."""
    begin = size = 0
    for end, order in enumerate(orders):
        if end - begin == _CHUNK_ORDERS or (end > begin and size + len(order.view) > _CHUNK_BYTES):
            yield orders[begin:end], False
            begin, size = end, 0
        size += len(order.view)
    yield orders[begin:], True


def _pit_id(point: PointInTime) -> str:
    return f"{point.open_time.isoformat()} {point.id}"


def _point_of(pit_id: str) -> PointInTime | None:
    open_time, _, elasticsearch_id = pit_id.partition(" ")
    return PointInTime(elasticsearch_id, datetime.fromisoformat(open_time)) if pit_id else None
