"""Consumes Kafka in batches, one at a time, and commits only what was finished.

librdkafka evicts a consumer that does not poll; so while a batch takes long, its partitions are paused and
polling goes on. All calls to the client happen on one thread of its own, never on the event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

Partition = tuple[str, int]
Handler = Callable[[Sequence[Message]], Awaitable[Mapping[Partition, int]]]
Returned = TypeVar("Returned")
_POLL_SECONDS = 0.2
_CHECK_SECONDS = 0.8
_log = structlog.get_logger("service_kit.kafka")


class BatchConsumer:
    """Hands batches to a handler and commits the offsets it finished.

    The handler answers the partitions that it could not finish, each with the offset of the first message
    it did not finish. Such a partition is stopped: what came before is committed, nothing after is read
    until the process starts again.

    Args:
        config: librdkafka settings; offsets are committed here, never automatically.
        hold_seconds: a batch that takes longer has its partitions paused while polling goes on.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Sequence[str],
        *,
        batch_size: int = 1000,
        hold_seconds: float = 5.0,
    ) -> None:
        self._consumer = Consumer({**config, "enable.auto.commit": False})
        self._topics = list(topics)
        self._batch_size = batch_size
        self._hold_seconds = hold_seconds
        self._stopped: dict[Partition, int] = {}
        self._holding = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-consumer")

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Consumes until `stop` is set; then finishes the batch in hand, commits and leaves the group.

        Raises:
            KafkaException: a fatal error of the client.
            Exception: whatever the handler raises; its batch is not committed.
        """
        await self._call(self._consumer.subscribe, self._topics, on_assign=self._assigned, on_revoke=self._revoked)
        try:
            while not stop.is_set():
                messages = await self._next_batch()
                if messages:
                    unfinished = await self._handled(handle, messages)
                    await self._commit(_finished(messages, unfinished))
                    await self._stop_partitions(unfinished)
        finally:
            await self._call(self._consumer.close)
            self._thread.shutdown(wait=False)

    async def check(self) -> None:
        """Returns when the brokers answer.

        Raises:
            KafkaException: they do not.
            RuntimeError: this consumer has ended.
        """
        await self._call(self._consumer.list_topics, self._topics[0], timeout=_CHECK_SECONDS)

    @property
    def stopped_partitions(self) -> Mapping[Partition, int]:
        """The partitions that were stopped, each with the offset of the message that did it."""
        return dict(self._stopped)

    async def _next_batch(self) -> list[Message]:
        messages = []
        for message in await self._call(self._consume):
            error = message.error()
            if error is None:
                messages.append(message)
            else:
                _raise_if_fatal(error)
        return messages

    def _consume(self) -> list[Message]:
        """What has arrived. To ask for a whole batch at once would wait for it to fill up."""
        first = self._consumer.poll(_POLL_SECONDS)
        return [] if first is None else [first, *self._consumer.consume(self._batch_size - 1, 0)]

    async def _handled(self, handle: Handler, messages: Sequence[Message]) -> Mapping[Partition, int]:
        handling = asyncio.ensure_future(handle(messages))
        try:
            while True:
                await asyncio.wait({handling}, timeout=self._hold_seconds)
                if handling.done():
                    return handling.result()
                await self._call(self._hold)
        finally:
            if not handling.done():
                handling.cancel()
                await asyncio.wait({handling})
            if self._holding:
                await self._call(self._release)

    async def _commit(self, offsets: Iterable[TopicPartition]) -> None:
        """Commits; a group that moved on without us reads the batch again, which changes nothing."""
        owned = {(each.topic, each.partition) for each in await self._call(self._consumer.assignment)}
        ours = [each for each in offsets if (each.topic, each.partition) in owned]
        if not ours:
            return
        try:
            await self._call(self._consumer.commit, offsets=ours, asynchronous=False)
        except KafkaException as error:
            _raise_if_fatal(error.args[0])
            _log.warning("offsets not committed; their events will come again", error=str(error))

    async def _stop_partitions(self, unfinished: Mapping[Partition, int]) -> None:
        for (topic, partition), offset in unfinished.items():
            self._stopped[topic, partition] = offset
            _log.error("partition stopped", topic=topic, partition=partition, offset=offset)
            await self._call(self._consumer.pause, [TopicPartition(topic, partition)])

    def _hold(self) -> None:
        """Keeps the membership alive while a batch is in hand; nothing is consumed."""
        self._holding = True
        self._consumer.pause(self._consumer.assignment())
        message = self._consumer.poll(0)
        if message is None:
            return
        error = message.error()
        if error is not None:
            _raise_if_fatal(error)
        else:  # a partition assigned by this very poll
            self._consumer.seek(TopicPartition(_topic(message), _partition(message), _offset(message)))

    def _release(self) -> None:
        self._holding = False
        self._consumer.resume(
            [each for each in self._consumer.assignment() if (each.topic, each.partition) not in self._stopped]
        )

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.info("partitions assigned", count=len(partitions))
        for each in partitions:
            self._stopped.pop((each.topic, each.partition), None)
        if self._holding:
            consumer.pause(partitions)

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.info("partitions revoked", count=len(partitions))

    async def _call(self, function: Callable[..., Returned], *args: Any, **kwargs: Any) -> Returned:
        """Runs a client call on the client's thread; a cancelled caller still lets it finish."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, partial(function, *args, **kwargs)))


def _finished(messages: Sequence[Message], unfinished: Mapping[Partition, int]) -> list[TopicPartition]:
    """The offsets to commit: one past each partition's last finished message."""
    following: dict[Partition, int] = {}
    for message in messages:
        following[_topic(message), _partition(message)] = _offset(message) + 1
    following.update(unfinished)
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in following.items()]


def _raise_if_fatal(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)
    _log.warning("kafka", error=str(error))


def _topic(message: Message) -> str:
    topic = message.topic()
    if topic is None:
        raise ValueError("a consumed message has a topic")
    return topic


def _partition(message: Message) -> int:
    partition = message.partition()
    if partition is None:
        raise ValueError("a consumed message has a partition")
    return partition


def _offset(message: Message) -> int:
    offset = message.offset()
    if offset is None:
        raise ValueError("a consumed message has an offset")
    return offset
