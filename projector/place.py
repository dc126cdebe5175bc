"""A read model's place among the neighbors: where its documents, its offsets and its quarantine are."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic

from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.lag import GroupLag
from projector.neighbors import Neighbors
from projector.offsets import TopicOffsets
from projector.quarantine import Quarantine
from projector.settings import ProjectorSettings
from read_models.read_model import AnyView, ReadModel
from service_kit.view_cache import ViewCache


@dataclass(frozen=True, slots=True)
class Place(Generic[AnyView]):
    """What all that is done with a read model needs.

    Args:
        topics: with the events that its documents depend on.
        offsets: of these topics.
    """

    read_model: ReadModel[AnyView]
    neighbors: Neighbors
    topics: Sequence[str]
    offsets: TopicOffsets
    generations: Generations
    groups: Groups

    def quarantine(self, generation: Generation) -> Quarantine:
        """A generation's quarantine, of which nothing is known yet."""
        index = f"{self.neighbors.settings.read_index_prefix}-quarantine"
        return Quarantine(self.neighbors.elasticsearch, index, self.read_model.name, generation)

    def cache(self) -> ViewCache | None:
        """The views in Redis; None where the read model has none there."""
        if not self.read_model.cache_prefix:
            return None
        time_to_live = timedelta(seconds=self.neighbors.settings.cache_ttl_seconds)
        return ViewCache(self.neighbors.redis, prefix=self.read_model.cache_prefix, time_to_live=time_to_live)


@asynccontextmanager
async def placed(read_model: ReadModel[AnyView], neighbors: Neighbors) -> AsyncIterator[Place[AnyView]]:
    """The read model's place, until the context is left."""
    settings = neighbors.settings
    topics = [f"{settings.kafka_topic_prefix}.{each}.events.v1" for each in read_model.topics]
    offsets = TopicOffsets({"bootstrap.servers": settings.kafka_brokers}, topics)
    lag = GroupLag(consumer_settings(settings), offsets)
    generations = Generations(neighbors.elasticsearch, read_model, settings.read_index_prefix)
    groups = Groups(f"{settings.kafka_topic_prefix}.projector.{read_model.name}", offsets, lag)
    try:
        yield Place(read_model, neighbors, topics, offsets, generations, groups)
    finally:
        await lag.close()


def consumer_settings(settings: ProjectorSettings, group_id: str = "") -> dict[str, str | int]:
    """What librdkafka is told of a consumer."""
    return {
        "bootstrap.servers": settings.kafka_brokers,
        "group.id": group_id,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,  # of a killed process: its partitions wait so long for another
        "heartbeat.interval.ms": 2000,
        # The longest that a group waits for a member which does not answer a rebalance; ours polls every few seconds.
        "max.poll.interval.ms": 30_000,
        "queued.max.messages.kbytes": 8 * 1024,  # fetched ahead; a batch is a few hundred of them
    }
