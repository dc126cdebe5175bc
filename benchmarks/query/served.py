"""An index of orders, filled past the projector, and a query server that reads it, in a process of its own."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch, Elasticsearch, OrjsonSerializer
from elasticsearch.helpers import streaming_bulk

from benchmarks.processes import server
from benchmarks.query.orders import order
from deploy.local.profile import Profile
from orderflow.orders.v1.views_pb2 import OrderView
from read_models.orders import ORDERS
from tests.integration.query_service.read_model import ReadModel
from tests.support.eventually import eventually

_DOCUMENTS_A_REQUEST = 1000
_TOLD_AFTER = 250_000


@dataclass(frozen=True, slots=True)
class Index:
    """Orders number 0 and on, so many.

    Args:
        prefix: first part of the index's name.
        alias: that readers name.
    """

    prefix: str
    alias: str
    orders: int


@asynccontextmanager
async def index(orders: int) -> AsyncIterator[Index]:
    """An index with so many orders, which is at rest; deleted afterwards."""
    async with AsyncElasticsearch(elasticsearch_url(), request_timeout=60) as client:
        model = ReadModel(client, f"bench-{uuid.uuid4().hex[:12]}")
        await model.create()
        try:
            await client.indices.put_settings(index=model.index, settings={"refresh_interval": "-1"})
            await asyncio.to_thread(_fill, model.index, orders)
            await client.indices.put_settings(index=model.index, settings={"refresh_interval": None})
            await client.indices.refresh(index=model.index)

            async def at_rest() -> bool:
                stats = await client.indices.stats(index=model.index, metric="merge")
                return bool(stats["_all"]["total"]["merges"]["current"] == 0)

            await eventually(at_rest, within=600, what="the end of merging")
            yield Index(model.prefix, model.alias, orders)
        finally:
            await model.delete()


@asynccontextmanager
async def query_server(index: Index, settings: Mapping[str, str] | None = None) -> AsyncIterator[tuple[str, int]]:
    """A query server of that index, with settings that differ; its address and its process's id."""
    own = {**Profile("test").environment(), "READ_INDEX_PREFIX": index.prefix, "DRAIN_SECONDS": "0", **(settings or {})}
    async with server(["-m", "query_service"], own) as (address, process_id):
        yield address, process_id


def elasticsearch_url() -> str:
    """Of the test profile's Elasticsearch."""
    return Profile("test").environment()["READ_ES_URL"]


def _fill(name: str, orders: int) -> None:
    begin = time.monotonic()
    actions = (_creation(order(number)) for number in range(orders))
    with Elasticsearch(elasticsearch_url(), request_timeout=60, serializer=OrjsonSerializer()) as client:
        written = streaming_bulk(client, actions, index=name, chunk_size=_DOCUMENTS_A_REQUEST)
        for count, _ in enumerate(written, start=1):
            if count % _TOLD_AFTER == 0:
                print(f"{count:>12,} of {orders:,} orders indexed, {time.monotonic() - begin:.0f} s", flush=True)


def _creation(view: OrderView) -> dict[str, Any]:
    written = ORDERS.document(view, project_time_us=view.update_time.ToMicroseconds())
    return {"_op_type": "create", "_id": view.order_id, "_source": written}
