"""Reads from the index what changed, by Elasticsearch's own sequence numbers.

Every write of a document gives it the next number of its shard, and the index of orders has one shard. So the
documents with numbers after a position are those that changed since, each in its newest state; nothing is ever
deleted. Numbers are given before writes are finished: only up to the global checkpoint are all of them done, and only
after a refresh can they be found. A position is a checkpoint that was read before a refresh.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from elasticsearch import ApiError, AsyncElasticsearch, TransportError

from query_service.errors import ReadModelUnavailable
from query_service.order_filter import Condition

_PAGE_SIZE = 200
_FILTERED_BY = ["order_id", "customer_id", "status", "currency", "total_e4", "create_time_us", "tracking_number"]


@dataclass(frozen=True, slots=True)
class Head:
    """How far an index is written.

    Args:
        index: its name, of one generation.
        generation: tells it from all others, also from a later one of the same name.
        position: up to which everything is written.
    """

    index: str
    generation: str
    position: int


@dataclass(frozen=True, slots=True)
class ChangedOrder:
    """An order that changed.

    Args:
        position: of its last change.
        fields: what filters look at, as in the index.
        view: a serialized OrderView.
    """

    position: int
    fields: Mapping[str, Any]
    view: bytes


class ChangedOrders:
    """Reads the index of orders by the order of writing.

    Args:
        alias: names the index of the current generation.
        call_seconds: longest time for one call.
    """

    def __init__(self, client: AsyncElasticsearch, alias: str, *, call_seconds: float) -> None:
        self._client = client
        self._alias = alias
        self._call_seconds = call_seconds

    async def head(self) -> Head:
        """How far the current generation is written; not all of it can be found yet.

        Raises:
            ReadModelUnavailable: as every method of this class.
        """
        async with self._call():
            stats = await self._client.indices.stats(index=self._alias, metric="docs", level="shards")
        ((index, state),) = stats["indices"].items()
        (copies,) = state["shards"].values()
        (position,) = [each["seq_no"]["global_checkpoint"] for each in copies if each["routing"]["primary"]]
        return Head(index, f"{index}/{state['uuid']}", position)

    async def refresh(self, index: str) -> None:
        """Lets everything be found that was written so far."""
        async with self._call():
            await self._client.indices.refresh(index=index)

    async def between(
        self, index: str, after: int, to: int, conditions: Sequence[Condition]
    ) -> AsyncGenerator[Sequence[ChangedOrder], None]:
        """The orders that meet the conditions and whose last change lies between two positions, in its order.

        An order that changes while this is read is left out, or comes as it was: its new change lies after `to`.
        """
        while after < to:
            async with self._call():
                answer = await self._client.search(index=index, **_request(after, to, conditions))
            hits = answer["hits"]["hits"]
            if hits:
                yield [_changed(hit) for hit in hits]
            if len(hits) < _PAGE_SIZE:
                return
            after = hits[-1]["sort"][0]

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._call_seconds):
                yield
        except (ApiError, TransportError, TimeoutError) as error:
            raise ReadModelUnavailable(f"the index of orders did not answer ({type(error).__name__})") from error


def _request(after: int, to: int, conditions: Sequence[Condition]) -> dict[str, Any]:
    return {
        "query": {"bool": {"filter": [*conditions, {"range": {"_seq_no": {"gt": after, "lte": to}}}]}},
        "sort": [{"_seq_no": "asc"}],
        "size": _PAGE_SIZE,
        "source": [*_FILTERED_BY, "view"],
        "track_total_hits": False,
        "allow_partial_search_results": False,
    }


def _changed(hit: Mapping[str, Any]) -> ChangedOrder:
    fields = dict(hit["_source"])
    return ChangedOrder(hit["sort"][0], fields, base64.b64decode(fields.pop("view")))
