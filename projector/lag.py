"""How far consumer groups are behind their topics."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from projector.offsets import TopicOffsets

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
    """Reads the lag of whole groups, whichever processes their members are, without being one.

    Args:
        config: librdkafka settings of a consumer; it joins no group.
    """

    def __init__(self, config: Mapping[str, Any], offsets: TopicOffsets) -> None:
        self._consumer = Consumer({**config, "group.id": "lag", "enable.auto.commit": False})
        self._offsets = offsets
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-lag")

    async def read(self, group: str) -> Lag:
        """The group's lag now.

        Raises:
            BrokersAway: Kafka does not answer.
        """
        committed, ends = await self._offsets.committed(group), await self._offsets.ends()
        unfinished = {each: ends[each] - first for each, first in committed.items() if first < ends.get(each, 0)}
        firsts = [TopicPartition(*each, committed[each]) for each in unfinished]
        times = await asyncio.get_running_loop().run_in_executor(self._thread, self._times, firsts)
        oldest = min(times, default=None)
        age = timedelta(0) if oldest is None else timedelta(milliseconds=max(0, time.time() * 1000 - oldest))
        return Lag(sum(unfinished.values()), age)

    async def close(self) -> None:
        """Frees the client."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._consumer.close)
        self._thread.shutdown(wait=False)

    def _times(self, firsts: Sequence[TopicPartition]) -> Sequence[int]:
        """When the message at each of these places was made, in milliseconds since 1970."""
        times: dict[tuple[str | None, int | None], int] = {}
        if not firsts:
            return []
        self._consumer.assign(list(firsts))
        deadline = time.monotonic() + _CALL_SECONDS
        while len(times) < len(firsts) and time.monotonic() < deadline:
            for message in self._consumer.consume(len(firsts), timeout=0.1):
                if message.error() is None:
                    times.setdefault((message.topic(), message.partition()), message.timestamp()[1])
        self._consumer.unassign()
        return list(times.values())
