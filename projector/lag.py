"""How far a consumer group is behind its topics."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from confluent_kafka import Consumer, TopicPartition

_CALL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Messages that the group has not finished.

    Args:
        age: of the oldest of them, by its time in Kafka; zero when there is none.
    """

    messages: int
    age: timedelta


class GroupLag:
    """Reads the lag of a whole group, whichever processes its members are, without being one.

    Args:
        config: librdkafka settings with the group's id.
    """

    def __init__(self, config: Mapping[str, Any], topics: Sequence[str]) -> None:
        self._consumer = Consumer({**config, "enable.auto.commit": False})
        self._topics = list(topics)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-lag")

    async def read(self) -> Lag:
        """The lag now.

        Raises:
            KafkaException: Kafka does not answer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read)

    async def close(self) -> None:
        """Frees the client."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._consumer.close)
        self._thread.shutdown(wait=False)

    def _read(self) -> Lag:
        unfinished = self._unfinished()
        oldest = min(self._first_times(unfinished), default=None)
        age = timedelta(0) if oldest is None else timedelta(milliseconds=max(0, time.time() * 1000 - oldest))
        return Lag(sum(unfinished.values()), age)

    def _unfinished(self) -> dict[TopicPartition, int]:
        """The partitions with unfinished messages, each from its first one on, and how many there are."""
        partitions = [
            TopicPartition(topic, partition)
            for topic in self._topics
            for partition in self._consumer.list_topics(topic, timeout=_CALL_SECONDS).topics[topic].partitions
        ]
        unfinished: dict[TopicPartition, int] = {}
        for committed in self._consumer.committed(partitions, timeout=_CALL_SECONDS) if partitions else []:
            low, high = self._consumer.get_watermark_offsets(committed, timeout=_CALL_SECONDS)
            first = max(committed.offset, low)  # nothing committed is a negative offset
            if first < high:
                unfinished[TopicPartition(committed.topic, committed.partition, first)] = high - first
        return unfinished

    def _first_times(self, partitions: Mapping[TopicPartition, int]) -> Sequence[int]:
        """When each partition's first unfinished message was made, in milliseconds since 1970."""
        times: dict[tuple[str | None, int | None], int] = {}
        self._consumer.assign(list(partitions))
        deadline = time.monotonic() + _CALL_SECONDS
        while len(times) < len(partitions) and time.monotonic() < deadline:
            for message in self._consumer.consume(len(partitions), timeout=0.1):
                if message.error() is None:
                    times.setdefault((message.topic(), message.partition()), message.timestamp()[1])
        self._consumer.unassign()
        return list(times.values())
