"""What the projector leaves behind: documents in Elasticsearch, views in Redis, offsets in Kafka."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Generic, TypeAlias

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from elasticsearch import ApiError, AsyncElasticsearch
from redis.asyncio import Redis

from orderflow.orders.v1 import views_pb2
from projector.lag import GroupLag, Lag
from projector.offsets import TopicOffsets
from read_models.read_model import AnyView, ReadModel
from service_kit.view_cache import CachedView, ViewCache
from tests.support.eventually import eventually
from tests.support.servers import KAFKA_BROKERS

_NOT_THERE_YET = (404, 503)


class ReadModelSide(Generic[AnyView]):
    """Reads a read model's documents, views and offsets.

    Args:
        prefix: of the index and the topics.
    """

    def __init__(
        self, elasticsearch: AsyncElasticsearch, redis: "Redis", prefix: str, read_model: ReadModel[AnyView]
    ) -> None:
        self.read_model = read_model
        self.elasticsearch = elasticsearch
        self.prefix = prefix
        self.alias = f"{prefix}-{read_model.name}"
        self.index = f"{self.alias}-000001"
        self.quarantine = f"{prefix}-quarantine"
        self._redis = redis
        self._cache = ViewCache(redis, prefix=read_model.cache_prefix, time_to_live=timedelta(seconds=60))
        self._group = f"{prefix}.projector.{read_model.name}.1"
        self._admin = AdminClient({"bootstrap.servers": KAFKA_BROKERS})
        topics = [f"{prefix}.{each}.events.v1" for each in read_model.topics]
        offsets = TopicOffsets({"bootstrap.servers": KAFKA_BROKERS}, topics)
        self._lag = GroupLag({"bootstrap.servers": KAFKA_BROKERS}, offsets)

    async def close(self) -> None:
        """Deletes all generations, and the quarantine."""
        for index in await self.elasticsearch.indices.get(index=f"{self.alias}-*"):
            await self.elasticsearch.indices.delete(index=index, ignore_unavailable=True)
        await self.elasticsearch.indices.delete(index=self.quarantine, ignore_unavailable=True)
        await self._lag.close()

    async def document(self, id_: str) -> Mapping[str, Any] | None:
        """A document; None while there is none."""
        try:
            found = await self.elasticsearch.get(index=self.index, id=id_)
        except ApiError as error:
            if error.status_code not in _NOT_THERE_YET:
                raise
            return None
        return {**found["_source"], "_seq_no": found["_seq_no"]}

    async def view(self, id_: str) -> AnyView:
        """The view in a document."""
        document = await self.document(id_)
        assert document is not None, f"{id_} has no document"
        return self.read_model.view_of(document)

    async def cached(self, order_id: str) -> CachedView | None:
        """An order's entry in Redis."""
        return await self._cache.get(order_id)

    async def forget_cached(self, order_id: str) -> None:
        """Deletes an order's entry in Redis."""
        await self._redis.delete(f"order:read:{order_id}")

    async def cache(self, order_id: str, entry: CachedView) -> None:
        """Replaces an order's entry in Redis, whatever is there."""
        await self.forget_cached(order_id)
        await self._cache.put(order_id, entry)

    async def has(self, id_: str, **fields: object) -> AnyView:
        """The view, once its document has these fields."""

        async def there() -> bool:
            document = await self.document(id_)
            assert document is not None, "there is no document"
            assert {name: document[name] for name in fields} == fields
            return True

        await eventually(there, what=f"a document with {fields}")
        return await self.view(id_)

    async def exists(self) -> None:
        """Returns when there is an index."""

        async def there() -> bool:
            return bool(await self.elasticsearch.indices.exists(index=self.index))

        await eventually(there, what="the index")

    async def block_writes(self, *, blocked: bool) -> None:
        """Makes the index refuse writes, or not."""
        await self.elasticsearch.indices.put_settings(index=self.index, settings={"index.blocks.write": blocked})

    async def caught_up(self) -> None:
        """Returns when every message is finished and committed."""

        async def nothing_left() -> bool:
            return (await self.lag()).messages == 0

        await eventually(nothing_left, what="the end of the topics")

    async def committed(self, topic: str, partition: int) -> int:
        """The offset of the first message that is not finished; negative where none is."""
        asked = ConsumerGroupTopicPartitions(self._group, [TopicPartition(topic, partition)])
        (answer,) = self._admin.list_consumer_group_offsets([asked]).values()
        found = await asyncio.wrap_future(answer)
        return int(found.topic_partitions[0].offset)

    async def lag(self) -> Lag:
        """What is not finished."""
        return await self._lag.read(self._group)

    async def forget_offsets(self) -> None:
        """Makes the group begin anew; no process may be in it."""
        await asyncio.wrap_future(self._admin.delete_consumer_groups([self._group])[self._group])


ReadSide: TypeAlias = ReadModelSide[views_pb2.OrderView]
