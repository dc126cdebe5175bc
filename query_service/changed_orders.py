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

import structlog
from elasticsearch import ApiError, AsyncElasticsearch, TransportError
from google.protobuf.message import DecodeError

from orderflow.orders.v1 import views_pb2
from query_service.errors import ReadModelUnavailable
from query_service.order_filter import Condition
from query_service.refreshing import refresh

_PAGE_SIZE = 200
_FILTERED_BY = ["order_id", "customer_id", "status", "currency", "total_e4", "create_time_us", "tracking_number"]
_log = structlog.get_logger("query_service.changed_orders")


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
        try:
            ((index, state),) = stats["indices"].items()
            (copies,) = state["shards"].values()
            (position,) = [each["seq_no"]["global_checkpoint"] for each in copies if each["routing"]["primary"]]
            return Head(index, f"{index}/{state['uuid']}", position)
        except (KeyError, TypeError, ValueError) as error:  # its shard is not assigned, or not started
            raise ReadModelUnavailable("the index of orders has no shard that answers") from error

    async def refresh(self, index: str) -> None:
        """Lets everything be found that was written so far."""
        async with self._call():
            await refresh(self._client, index)

    async def between(
        self, index: str, after: int, to: int, conditions: Sequence[Condition]
    ) -> AsyncGenerator[Sequence[ChangedOrder], None]:
        """The orders that meet the conditions and whose last change lies between two positions, in its order.

        An order that changes while this is read is left out, or comes as it was: its new change lies after `to`.
        A document that is no order's is left out with a line in the log; once repaired, it has changed.
        """
        while after < to:
            async with self._call():
                answer = await self._client.search(index=index, **_request(after, to, conditions))
            hits = answer["hits"]["hits"]
            orders = [order for hit in hits if (order := _changed(hit))]
            if orders:
                yield orders
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


def _changed(hit: Mapping[str, Any]) -> ChangedOrder | None:
    source = hit["_source"]
    try:
        fields = {name: source[name] for name in _FILTERED_BY}
        view = _view(source)
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        _log.warning("document is no order", document_id=hit["_id"], error=type(error).__name__)
        return None
    return ChangedOrder(hit["sort"][0], fields, view)


def _view(source: Mapping[str, Any]) -> bytes:
    view = base64.b64decode(source["view"])
    if views_pb2.OrderView.FromString(view).order_id != source["order_id"]:
        raise ValueError("the view is another order's")
    return view
