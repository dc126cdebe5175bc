"""A read model of its own for a test: an index in the real Elasticsearch, written as the projector writes it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from orderflow.orders.v1.views_pb2 import OrderView
from read_models import orders_index

PROJECT_TIME_US = 1_780_000_001_000_000
_BULK_BYTES = 1_000_000
"""aiohttp warns of larger bodies."""


class ReadModel:
    """The index of orders of one prefix."""

    def __init__(self, client: AsyncElasticsearch, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self.alias = f"{prefix}-orders"
        self.index = f"{prefix}-orders-000001"

    async def create(self) -> None:
        """Creates the first generation and its alias."""
        await self.client.indices.create(index=self.index, aliases={self.alias: {}}, **orders_index.index_body())

    async def delete(self) -> None:
        """Deletes it, if it is still there."""
        await self.client.indices.delete(index=self.index, ignore_unavailable=True)

    @asynccontextmanager
    async def next_generation(self) -> AsyncIterator[str]:
        """An empty index of the next generation, which the alias does not name yet."""
        index = f"{self.alias}-000002"
        await self.client.indices.create(index=index, **orders_index.index_body())
        yield index
        await self.client.indices.delete(index=index)

    @asynccontextmanager
    async def unassigned_generation(self) -> AsyncIterator[str]:
        """The same, on a node that there is not, as after a restart of Elasticsearch: until `assign` moves it."""
        index = f"{self.alias}-000002"
        body = orders_index.index_body()
        body["settings"]["index"]["routing.allocation.require._name"] = "nobody"
        await self.client.indices.create(index=index, wait_for_active_shards=0, timeout="0s", **body)
        yield index
        await self.client.indices.delete(index=index)

    async def assign(self, index: str) -> None:
        """Lets the index have its shard, and returns when it has."""
        await self.client.indices.put_settings(index=index, settings={"routing.allocation.require._name": None})
        await self.client.cluster.health(index=index, wait_for_status="yellow", timeout="30s")

    async def switch(self, index: str) -> None:
        """Lets the alias name another index instead, as a rebuild does."""
        remove = {"remove": {"index": self.index, "alias": self.alias}}
        await self.client.indices.update_aliases(actions=[remove, {"add": {"index": index, "alias": self.alias}}])

    async def put(self, *views: OrderView) -> None:
        """Writes views and makes them visible to searches."""
        await self.write(views)
        await self.client.indices.refresh(index=self.alias)

    async def write(self, views: Iterable[OrderView]) -> None:
        """Writes views; searches see them after the next refresh."""
        actions = (
            {
                "_index": self.index,
                "_id": view.order_id,
                "_source": orders_index.document(view, project_time_us=PROJECT_TIME_US),
            }
            for view in views
        )
        await async_bulk(self.client, actions, max_chunk_bytes=_BULK_BYTES)

    async def reads(self) -> int:
        """How many documents were read by id so far."""
        stats = await self.client.indices.stats(index=self.index, metric="get")
        total: int = stats["_all"]["total"]["get"]["total"]
        return total

    async def searches(self) -> int:
        """How many searches were made so far."""
        stats = await self.client.indices.stats(index=self.index, metric="search")
        total: int = stats["_all"]["total"]["search"]["query_total"]
        return total

    async def open_points_in_time(self) -> int:
        """How many searches the server holds open for this index."""
        stats = await self.client.indices.stats(index=self.index, metric="search")
        open_contexts: int = stats["_all"]["total"]["search"]["open_contexts"]
        return open_contexts
