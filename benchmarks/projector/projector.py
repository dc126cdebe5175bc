"""A projector in a process of its own, seen from outside."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from elasticsearch import AsyncElasticsearch

from benchmarks.processes import server
from benchmarks.projector.history import History
from read_models.orders import ORDERS
from tests.support.eventually import eventually


class Projector:
    """A projector that works.

    Args:
        address: where it serves gRPC.
        process_id: of the operating system.
        alias: that readers of its documents name.
        group: a consumer of its group that is no member.
    """

    def __init__(self, address: str, process_id: int, alias: str, group: Consumer, topics: Sequence[str]) -> None:
        self.address = address
        self.alias = alias
        self._process_id = process_id
        self._group = group
        self._partitions = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in group.list_topics(topic, timeout=10).topics[topic].partitions
        ]

    async def has_finished(self, messages: int) -> int:
        """How many messages it has finished, once there are so many."""

        async def enough() -> int | None:
            committed = await asyncio.to_thread(self._group.committed, self._partitions, timeout=10)
            finished = sum(max(each.offset, 0) for each in committed)
            return finished if finished >= messages else None

        return await eventually(enough, within=900, what=f"the end of {messages} messages")

    def most_memory(self) -> int:
        """Most bytes that were resident at any time until now."""
        lines = Path(f"/proc/{self._process_id}/status").read_text().splitlines()
        (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024


@asynccontextmanager
async def projector(history: History) -> AsyncIterator[Projector]:
    """A projector that begins with nothing; what it made is deleted afterwards."""
    prefix = f"bench-{uuid.uuid4().hex[:12]}"
    settings = {**history.settings, "READ_INDEX_PREFIX": prefix, "DRAIN_SECONDS": "0", "LOG_LEVEL": "ERROR"}
    groups = f"{history.topic_prefix}.projector.{ORDERS.name}."
    topics = [f"{history.topic_prefix}.{each}.events.v1" for each in ORDERS.topics]
    kafka: dict[str, str | int | float | bool] = {"bootstrap.servers": settings["KAFKA_BROKERS"]}
    group = Consumer({**kafka, "group.id": f"{groups}1"})
    try:
        async with server(["-m", "projector"], settings) as (address, process_id):
            yield Projector(address, process_id, f"{prefix}-{ORDERS.name}", group, topics)
    finally:
        group.close()
        await _forget_groups(AdminClient(kafka), groups)
        await _delete_indices(settings["READ_ES_URL"], f"{prefix}-*")


async def _delete_indices(url: str, pattern: str) -> None:
    async with AsyncElasticsearch(url) as elasticsearch:
        for index in await elasticsearch.indices.get(index=pattern):
            await elasticsearch.indices.delete(index=index)


async def _forget_groups(admin: AdminClient, prefix: str) -> None:
    listed = await asyncio.wrap_future(admin.list_consumer_groups())
    groups = [each.group_id for each in listed.valid if each.group_id.startswith(prefix)]
    if groups:
        await asyncio.gather(*map(asyncio.wrap_future, admin.delete_consumer_groups(groups).values()))
