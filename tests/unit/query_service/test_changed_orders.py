"""What Elasticsearch answers without an error, and is none to rely on."""

import asyncio
from typing import Any, cast

import pytest
from elasticsearch import AsyncElasticsearch

from query_service.changed_orders import ChangedOrders, Head
from query_service.deadline import Deadline
from query_service.errors import ReadModelUnavailable
from query_service.order_index import OrderIndex


class FakeElasticsearch:
    """Answers each call of its indices as told."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.indices = self
        self._answer = answer

    async def stats(self, **_: object) -> dict[str, Any]:
        """As told."""
        return self._answer

    async def refresh(self, **_: object) -> dict[str, Any]:
        """As told."""
        return self._answer


def _changed(answer: dict[str, Any]) -> ChangedOrders:
    return ChangedOrders(cast("AsyncElasticsearch", FakeElasticsearch(answer)), "orders", call_seconds=30)


def _stats(*copies: dict[str, Any]) -> dict[str, Any]:
    return {"indices": {"orders-1": {"uuid": "u", "shards": {"0": list(copies)}}}}


_PRIMARY: dict[str, Any] = {"routing": {"primary": True}, "seq_no": {"global_checkpoint": 7}}


def test_the_head_is_the_primarys_checkpoint() -> None:
    replica = {"routing": {"primary": False}}
    assert asyncio.run(_changed(_stats(_PRIMARY, replica)).head()) == Head("orders-1", "orders-1/u", 7)


@pytest.mark.parametrize(
    "answer",
    [
        {"indices": {}},
        {"indices": {"orders-1": {"uuid": "u"}}},
        {"indices": {"orders-1": {"uuid": "u", "shards": {}}}},
        _stats(),
        _stats({"routing": {"primary": False}}),
        _stats({"routing": {"primary": True}}),
        _stats({"routing": {"primary": True}, "seq_no": None}),
        {},
    ],
    ids=str,
)
def test_an_index_without_a_shard_that_answers_is_unavailable(answer: dict[str, Any]) -> None:
    with pytest.raises(ReadModelUnavailable):
        asyncio.run(_changed(answer).head())


@pytest.mark.parametrize(
    ("successful", "failed", "is_refreshed"), [(1, 0, True), (2, 0, True), (1, 1, False), (0, 1, False), (0, 0, False)]
)
def test_a_refresh_that_a_shard_did_not_make_is_none(successful: int, failed: int, *, is_refreshed: bool) -> None:
    answer = {"_shards": {"total": 2, "successful": successful, "failed": failed}}
    index = OrderIndex(cast("AsyncElasticsearch", FakeElasticsearch(answer)), "orders", call_seconds=30)
    for refresh in (_changed(answer).refresh("orders-1"), index.refresh(Deadline(None))):
        if is_refreshed:
            asyncio.run(refresh)
        else:
            with pytest.raises(ReadModelUnavailable):
                asyncio.run(refresh)
