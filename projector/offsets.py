"""Where topics end, and how far consumer groups have come, seen from outside of the groups."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    OffsetSpec,
)
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from projector.errors import BrokersAway
from service_kit.kafka_consumer import Partition

_CALL_SECONDS = 2.0
_SETTLE_SECONDS = 6.0
_CHECK_SECONDS = 0.8

Offsets = Mapping[Partition, int]


def _renew_if_silent(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    cause = error.__cause__ if error else None
    if isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError._TIMED_OUT:  # noqa: SLF001
        state.args[0].renew()


_until_settled = retry(
    retry=retry_if_exception_type(BrokersAway),
    wait=wait_random_exponential(multiplier=0.02, max=0.5),
    stop=stop_after_delay(_SETTLE_SECONDS),
    before_sleep=_renew_if_silent,
    reraise=True,
)
"""Brokers refuse for a moment when a topic or group is new to them, or has moved: by a dozen codes, few `retriable`."""


class TopicOffsets:
    """Reads and sets offsets of all partitions of some topics; its methods raise BrokersAway, also for a missing topic.

    Args:
        config: librdkafka settings of a client that is no consumer.
    """

    def __init__(self, config: Mapping[str, Any], topics: Sequence[str]) -> None:
        self._config = dict(config)
        self._admin = AdminClient(self._config)
        self._topics = list(topics)

    def renew(self) -> None:
        """Begins anew with a client of its own: one that has seen brokers freeze may get no answers ever after."""
        old, self._admin = [self._admin], AdminClient(self._config)
        asyncio.get_running_loop().run_in_executor(None, old.clear)  # to end it waits for its threads

    async def check(self) -> None:
        """Returns when the brokers answer."""
        await self._metadata(self._topics[0], _CHECK_SECONDS)

    @_until_settled
    async def ends(self) -> Offsets:
        """Each partition's next offset."""
        return await self._listed(OffsetSpec.latest())  # type: ignore[no-untyped-call]

    @_until_settled
    async def committed(self, group: str) -> Offsets:
        """Each partition's first offset that the group has not finished; where it has finished none, the first."""
        asked = [TopicPartition(*each) for each in await self._partitions()]
        lows = await self._listed(OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        with _as_outage():
            (answer,) = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, asked)], request_timeout=_CALL_SECONDS
            ).values()
            found = await asyncio.wrap_future(answer)
        committed = {(each.topic, each.partition): each.offset for each in found.topic_partitions}
        return {each: max(committed.get(each, 0), low) for each, low in lows.items()}

    @_until_settled
    async def set(self, group: str, offsets: Offsets) -> None:
        """Has the group, which nobody may be in, begin there."""
        wanted = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        with _as_outage():
            (answer,) = self._admin.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=_CALL_SECONDS
            ).values()
            await asyncio.wrap_future(answer)

    async def _listed(self, spec: OffsetSpec) -> Offsets:
        asked = {TopicPartition(*each): spec for each in await self._partitions()}
        with _as_outage():
            answers = self._admin.list_offsets(asked, request_timeout=_CALL_SECONDS)
            return {
                (partition.topic, partition.partition): (await asyncio.wrap_future(answer)).offset
                for partition, answer in answers.items()
            }

    async def _partitions(self) -> Sequence[Partition]:
        return [(topic, partition) for topic in self._topics for partition in await self._partitions_of(topic)]

    async def _partitions_of(self, topic: str) -> Sequence[int]:
        found = (await self._metadata(topic, _CALL_SECONDS)).topics[topic]
        with _as_outage():
            if not found.partitions:
                raise KafkaException(found.error or KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return list(found.partitions)

    async def _metadata(self, topic: str, seconds: float) -> Any:
        with _as_outage():
            call = partial(self._admin.list_topics, topic, timeout=seconds)
            return await asyncio.get_running_loop().run_in_executor(None, call)


@contextmanager
def _as_outage() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise BrokersAway(f"Kafka does not answer: {error.args[0].name()}") from error
