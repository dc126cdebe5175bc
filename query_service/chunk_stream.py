"""Streams what a query finds, in chunks that can each be continued."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from opentelemetry import trace

from orderflow.common.v1 import consistency_pb2
from orderflow.orders.v1.resume_token_pb2 import ResumeTokenContents
from query_service.consistency import wanted_by
from query_service.deadline import Deadline
from query_service.index import PointInTime
from query_service.pages import Found, PageReader, Position
from query_service.points_in_time import PointsInTime, Shown
from query_service.query import Query
from query_service.resume_token import ResumeTokens

_CHUNK_DOCUMENTS = 100
_CHUNK_BYTES = 1024 * 1024


class Continuable(Protocol):
    """A request for a list."""

    @property
    def resume_token(self) -> str:
        """To continue from; empty to begin."""

    @property
    def consistency_tokens(self) -> Sequence[str]:
        """Of what must be visible."""


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
    """The next documents.

    Args:
        resume_token: continues after them; empty when nothing follows.
        opening: only in the first chunk.
    """

    found: Sequence[Found]
    resume_token: str
    opening: Opening | None


class ChunkStream:
    """Answers queries chunk by chunk."""

    def __init__(self, points: PointsInTime, pages: PageReader, tokens: ResumeTokens) -> None:
        self._points = points
        self._pages = pages
        self._tokens = tokens

    async def chunks(
        self,
        query: Query,
        request: Continuable,
        limit: int | None,
        deadline: Deadline,
    ) -> AsyncGenerator[Chunk, None]:
        """All chunks of an answer, at least one.

        Args:
            query: what the request asks for.
            request: with the tokens to continue from and to wait for.
            limit: how many documents to send unless an earlier call left some of its limit; None for all.
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
                    for found, is_last_of_page in _split(page.found):
                        position = position.moved(found)
                        follows = page.follows or not is_last_of_page
                        shown.outlives |= follows and not query.ordering.is_stable
                        token = self._token(query, position, shown) if follows else ""
                        yield Chunk(found, token, None if sent else opening)
                        sent += len(found)
        finally:
            span.set_attribute(query.counted_as, sent)

    def _start(self, query: Query, token: str, limit: int | None) -> tuple[Position, PointInTime | None]:
        if not token:
            return Position((), limit), None
        contents = self._tokens.read(token, query.digest)
        after = (*map(json.loads, contents.sort_values), contents.last_order_id)
        return Position(after, contents.remaining or limit), _point_of(contents.pit_id)

    def _token(self, query: Query, position: Position, shown: Shown) -> str:
        *place, last_id = position.after
        contents = ResumeTokenContents(
            query_digest=query.digest,
            sort_values=[json.dumps(value) for value in place],
            last_order_id=last_id,
            remaining=position.left or 0,
            pit_id=_pit_id(shown.point) if shown.outlives else "",
        )
        return self._tokens.issue(contents)


def _split(found: Sequence[Found]) -> Iterator[tuple[Sequence[Found], bool]]:
    """What was found in chunks of bounded count and size, each with whether it is the last; one empty for none."""
    begin = size = 0
    for end, each in enumerate(found):
        if end - begin == _CHUNK_DOCUMENTS or (end > begin and size + len(each.view) > _CHUNK_BYTES):
            yield found[begin:end], False
            begin, size = end, 0
        size += len(each.view)
    yield found[begin:], True


def _pit_id(point: PointInTime) -> str:
    return f"{point.open_time.isoformat()} {point.id}"


def _point_of(pit_id: str) -> PointInTime | None:
    open_time, _, elasticsearch_id = pit_id.partition(" ")
    return PointInTime(elasticsearch_id, datetime.fromisoformat(open_time)) if pit_id else None
