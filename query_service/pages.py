"""Reads what a query finds out of one point in time, page by page, one page ahead of its reader."""

import asyncio
from binascii import a2b_base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from query_service.deadline import Deadline
from query_service.highlights import marked_texts
from query_service.index import Index, PointInTime
from query_service.query import Query

_FIRST_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A document that was found.

    Args:
        view: serialized.
        place: its sort values, one for each sort key, the tiebreak last.
        marked: its texts that matched, see `highlights`.
    """

    view: bytes
    place: Sequence[Any]
    marked: Sequence[str]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list is.

    Args:
        after: the place of the last document sent; empty at the beginning.
        left: how many may still be sent; None for all.
    """

    after: Sequence[Any]
    left: int | None

    def moved(self, found: Sequence[Found]) -> "Position":
        """The position after these too."""
        if not found:
            return self
        return Position(found[-1].place, None if self.left is None else self.left - len(found))


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive documents.

    Args:
        follows: whether the query finds more after them, also beyond its limit.
        answer: of Elasticsearch; on a call's first page it holds what is counted over all pages.
    """

    found: Sequence[Found]
    follows: bool
    answer: Mapping[str, Any]


class PageReader:
    """Reads pages.

    Args:
        page_size: documents in a page; the first is smaller, so that it is there sooner.
    """

    def __init__(self, index: Index, *, page_size: int) -> None:
        self._index = index
        self._page_size = page_size

    async def pages(
        self, query: Query, point: PointInTime, position: Position, deadline: Deadline
    ) -> AsyncGenerator[Page, None]:
        """The pages from a position on to the end or the limit; at least one, which may be empty.

        Raises:
            ReadModelUnavailable: Elasticsearch is away.
        """
        ahead = asyncio.create_task(self._read(query.first_request, point, position, _FIRST_PAGE_SIZE, deadline))
        try:
            while True:
                page = await ahead
                position = position.moved(page.found)
                is_last = not page.follows or position.left == 0
                if not is_last:
                    ahead = asyncio.create_task(self._read(query.request, point, position, self._page_size, deadline))
                yield page
                if is_last:
                    return
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _read(
        self, request: Mapping[str, Any], point: PointInTime, position: Position, page_size: int, deadline: Deadline
    ) -> Page:
        size = page_size if position.left is None else min(page_size, position.left)
        continued = {"search_after": position.after} if position.after else {}
        answer = await self._index.search(point, {**request, **continued, "size": size + 1}, deadline)
        hits = answer["hits"]["hits"]
        key_count = len(request["sort"])  # Elasticsearch adds a tiebreak of its own
        found = [
            Found(a2b_base64(hit["_source"]["view"]), hit["sort"][:key_count], marked_texts(hit)) for hit in hits[:size]
        ]
        return Page(found, len(hits) > size, answer)
