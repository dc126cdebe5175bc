"""How far consumer groups are behind their topics."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from projector.errors import BrokersAway
from projector.offsets import TopicOffsets
from projector.quarantine_records import headers_of
from service_kit.cloudevents import NotAnEvent, event_of

_CALL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Messages that the group has not finished.

    Args:
        age: of the oldest of them, by its time in Kafka; zero when there is none.
        firsts: by shard of the log, the position of the first event among each partition's first ones. Where the log
            has several shards, a later message of a partition may be of another shard and have a lower position.
    """

    messages: int
    age: timedelta
    firsts: Mapping[int, int] = field(default_factory=dict)


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
        messages = await asyncio.get_running_loop().run_in_executor(self._thread, self._messages, firsts)
        oldest = min((each.timestamp()[1] for each in messages), default=None)
        age = timedelta(0) if oldest is None else timedelta(milliseconds=max(0, time.time() * 1000 - oldest))
        return Lag(sum(unfinished.values()), age, _first_positions(messages))

    async def close(self) -> None:
        """Frees the client."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._consumer.close)
        self._thread.shutdown(wait=False)

    def _messages(self, firsts: Sequence[TopicPartition]) -> Sequence[Message]:
        """The message at each of these places; BrokersAway where they do not come."""
        messages: dict[tuple[str | None, int | None], Message] = {}
        if not firsts:
            return []
        self._consumer.assign(list(firsts))
        deadline = time.monotonic() + _CALL_SECONDS
        while len(messages) < len(firsts) and time.monotonic() < deadline:
            for message in self._consumer.consume(len(firsts), timeout=0.1):
                if message.error() is None:
                    messages.setdefault((message.topic(), message.partition()), message)
        self._consumer.unassign()
        if len(messages) < len(firsts):
            raise BrokersAway("Kafka does not answer: the oldest messages could not be read in time")
        return list(messages.values())


def _first_positions(messages: Iterable[Message]) -> Mapping[int, int]:
    firsts: dict[int, int] = {}
    for message in messages:
        try:
            event = event_of(message.value(), headers_of(message))
        except NotAnEvent:
            continue
        firsts[event.log_shard] = min(event.position, firsts.get(event.log_shard, event.position))
    return firsts
