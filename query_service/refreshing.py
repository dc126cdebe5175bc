"""Refreshes an index, so that searches find what was written."""

from elasticsearch import AsyncElasticsearch

from query_service.errors import ReadModelUnavailable


async def refresh(client: AsyncElasticsearch, index: str) -> None:
    """Lets everything be found that was written so far.

    Raises:
        ReadModelUnavailable: not every copy of the index's shard was refreshed, which is no error to Elasticsearch.
    """
    answer = await client.indices.refresh(index=index)
    shards = answer["_shards"]
    if shards["failed"] or not shards["successful"]:
        raise ReadModelUnavailable("the index of orders was not refreshed")
