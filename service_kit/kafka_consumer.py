"""Consumes Kafka in batches, one at a time, and commits only what was finished.

librdkafka evicts a consumer that does not poll; so while a batch takes long, its partitions are paused and
polling goes on. All calls to the client happen on one thread of its own, never on the event loop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from opentelemetry import metrics

from service_kit.kafka_attempts import Attempts
from service_kit.metrics import SECONDS_BUCKETS

Partition = tuple[str, int]
Returned = TypeVar("Returned")
_POLL_SECONDS = 0.2
_CHECK_SECONDS = 0.8
_CALL_SECONDS = 10.0
_MEASURED = {"messaging.system": "kafka", "messaging.operation.name": "process"}
_log = structlog.get_logger("service_kit.kafka")


class Handler(Protocol):
    """What is done with messages. A handler that raises ends the consumer, and its messages come again."""

    async def assigned(self) -> None:
        """Called when this process has been given partitions, before their first messages."""

    async def handle(self, messages: Sequence[Message]) -> None:
        """Finishes messages: returns when they need not come again."""

    async def condemn(self, message: Message) -> None:
        """Finishes a message that kills the process which handles it: looks at its key and headers only."""


class BatchConsumer:
    """Hands batches to a handler and commits their offsets when it has finished them.

    The first batch of an assignment is counted before it is begun, see `kafka_attempts`. Where the process has died
    of it several times, its messages are handled one by one; the one that kills the process even so is condemned.

    Args:
        config: librdkafka settings; offsets are committed here, never automatically.
        hold_seconds: a batch that takes longer has its partitions paused while polling goes on.
        at_round: called whenever it is about to ask for messages, several times a second while nothing takes long.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Sequence[str],
        *,
        batch_size: int = 1000,
        hold_seconds: float = 5.0,
        at_round: Callable[[], None] | None = None,
    ) -> None:
        self._consumer = Consumer({**config, "enable.auto.commit": False, "on_commit": _committed})
        self._topics = list(topics)
        self._batch_size = batch_size
        self._hold_seconds = hold_seconds
        self._at_round = at_round
        self._attempts: dict[Partition, Attempts] = {}
        self._counted: list[TopicPartition] = []
        self._lost: set[Partition] = set()
        """Partitions taken away since the batch in hand was read; given back or not, others may have gone further."""
        self._given = False
        self._holding = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-consumer")
        meter = metrics.get_meter("service_kit.kafka")
        self._messages = meter.create_counter(
            "messaging.client.consumed.messages",
            unit="{message}",
            description="Messages taken from Kafka and finished.",
        )
        self._durations = meter.create_histogram(
            "messaging.process.duration",
            unit="s",
            description="How long a batch of messages took.",
            explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
        )

    async def run(self, handler: Handler, stop: asyncio.Event) -> None:
        """Consumes until `stop` is set; then finishes the batch in hand, commits and leaves the group.

        Raises:
            KafkaException: a fatal error of the client.
            Exception: whatever the handler raises; its batch is not committed.
        """
        await self._call(self._consumer.subscribe, self._topics, on_assign=self._assigned, on_revoke=self._revoked)
        try:
            while not stop.is_set():
                if self._at_round is not None:
                    self._at_round()
                messages = await self._next_batch()
                if self._given:
                    self._given = False
                    await self._held(handler.assigned())
                if messages:
                    await self._finish(handler, messages, stop)
        except asyncio.CancelledError:
            await self.pardon()
            raise
        except Exception:
            self._counted = []  # an error that ends the process is a death like any other
            raise
        finally:
            await self._call(self._consumer.close)
            self._thread.shutdown(wait=False)

    async def pardon(self) -> None:
        """Takes back that the work in hand was counted: whatever happens to it now is not its own fault."""
        counted, self._counted = self._counted, []
        if counted:
            await self._commit(counted)

    async def check(self) -> None:
        """Returns when the brokers answer.

        Raises:
            KafkaException: they do not.
            RuntimeError: this consumer has ended.
        """
        await self._call(self._consumer.list_topics, self._topics[0], timeout=_CHECK_SECONDS)

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
        self._lost.clear()
        return [] if first is None else [first, *self._consumer.consume(self._batch_size - 1, 0)]

    async def _finish(self, handler: Handler, messages: Sequence[Message], stop: asyncio.Event) -> None:
        new = {_place(each) for each in messages} - self._attempts.keys()
        if new:
            await self._read_attempts(new, _firsts(messages))
        doubted = [each for each in messages if self._attempts.get(_place(each), Attempts()).doubts(_offset(each))]
        for message in doubted:
            if stop.is_set():
                return  # one by one it may take long; they come again
            await self._finish_alone(handler, message)
        together = [each for each in messages if each not in doubted] if doubted else messages
        if together:
            await self._finish_together(handler, together, new)

    async def _finish_together(self, handler: Handler, messages: Sequence[Message], new: Collection[Partition]) -> None:
        if new:
            lasts = {_place(each): _offset(each) for each in messages}
            firsts = {place: offset for place, offset in _firsts(messages).items() if place in new}
            before = {place: self._attempts[place] for place in firsts if place in self._attempts}
            await self._count(firsts, before, {place: each.again(lasts[place]) for place, each in before.items()})
        await self._handle(handler, messages)
        await self._commit_finished({_place(each): (_offset(each) + 1, Attempts()) for each in messages})

    async def _finish_alone(self, handler: Handler, message: Message) -> None:
        place, offset = _place(message), _offset(message)
        attempts = self._attempts.get(place, Attempts())
        if attempts.deadly:
            _log.error("message condemned", topic=place[0], partition=place[1], offset=offset)
            await self._held(handler.condemn(message))
        else:
            await self._count({place: offset}, {place: attempts}, {place: attempts.again(attempts.to)})
            await self._handle(handler, [message])
        await self._commit_finished({place: (offset + 1, attempts.after(offset))})

    async def _handle(self, handler: Handler, messages: Sequence[Message]) -> None:
        begin = time.perf_counter()
        await self._held(handler.handle(messages))
        self._durations.record(time.perf_counter() - begin, _MEASURED)
        self._messages.add(len(messages), _MEASURED)

    async def _read_attempts(self, places: Collection[Partition], firsts: Mapping[Partition, int]) -> None:
        asked = [TopicPartition(*place) for place in places]
        self._attempts.update(dict.fromkeys(places, Attempts()))
        try:
            committed = await self._call(self._consumer.committed, asked, timeout=_CALL_SECONDS)
        except KafkaException as error:
            _raise_if_fatal(error.args[0])
            return
        for each in committed:
            place = (each.topic, each.partition)
            if each.offset == firsts[place]:  # otherwise what was meant is not there any more
                self._attempts[place] = Attempts.of(each.metadata)

    async def _count(
        self,
        offsets: Mapping[Partition, int],
        before: Mapping[Partition, Attempts],
        now: Mapping[Partition, Attempts],
    ) -> None:
        self._counted = [_committable(place, offsets[place], each) for place, each in before.items()]
        await self._commit([_committable(place, offsets[place], each) for place, each in now.items()])

    async def _commit_finished(self, following: Mapping[Partition, tuple[int, Attempts]]) -> None:
        self._counted = []
        for place, (_, attempts) in following.items():
            if place in self._attempts:  # or it was taken away and given back meanwhile, and is new again
                self._attempts[place] = attempts
        # Nobody waits for it: librdkafka sends commits in order, and gives no partition back before they are answered.
        await self._commit([_committable(place, *each) for place, each in following.items()], awaited=False)

    async def _held(self, work: Awaitable[None]) -> None:
        """Waits for work, and keeps the membership meanwhile."""
        working = asyncio.ensure_future(work)
        try:
            while True:
                await asyncio.wait({working}, timeout=self._hold_seconds)
                if working.done():
                    return working.result()
                await self._call(self._hold)
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
            if self._holding:
                await self._call(self._release)

    async def _commit(self, offsets: Iterable[TopicPartition], *, awaited: bool = True) -> None:
        """Commits; a group that moved on without us reads the batch again, which changes nothing."""
        await self._call(self._commit_ours, list(offsets), awaited=awaited)

    def _commit_ours(self, offsets: Sequence[TopicPartition], *, awaited: bool) -> None:
        owned = {(each.topic, each.partition) for each in self._consumer.assignment()} - self._lost
        self._commit_now([each for each in offsets if (each.topic, each.partition) in owned], awaited=awaited)

    def _commit_now(self, offsets: list[TopicPartition], *, awaited: bool = True) -> None:
        if not offsets:
            return
        try:
            if awaited:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            _raise_if_fatal(error.args[0])
            _log_uncommitted(error)

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
            self._consumer.seek(TopicPartition(*_place(message), _offset(message)))

    def _release(self) -> None:
        self._holding = False
        self._consumer.resume(self._consumer.assignment())

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.info("partitions assigned", count=len(partitions))
        self._given = True
        for each in partitions:
            self._attempts.pop((each.topic, each.partition), None)
        # A pause outlives its assignment, and what was released in between is not reached by `_release`.
        (consumer.pause if self._holding else consumer.resume)(partitions)

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.info("partitions revoked", count=len(partitions))
        revoked = {(each.topic, each.partition) for each in partitions}
        taken = [each for each in self._counted if (each.topic, each.partition) in revoked]
        self._commit_now(taken)  # the next owner is not to blame the work that it takes over
        self._lost |= revoked

    async def _call(self, function: Callable[..., Returned], *args: Any, **kwargs: Any) -> Returned:
        """Runs a client call on the client's thread; a cancelled caller still lets it finish."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, partial(function, *args, **kwargs)))


def _committed(error: KafkaError | None, _offsets: object) -> None:
    """Called for each commit that nobody waits for, with what became of it."""
    if error is not None:
        _log_uncommitted(error)


def _log_uncommitted(error: Exception | KafkaError) -> None:
    _log.warning("offsets not committed; their events will come again", error=str(error))


def _committable(place: Partition, offset: int, attempts: Attempts) -> TopicPartition:
    return TopicPartition(*place, offset, metadata=attempts.metadata)


def _firsts(messages: Iterable[Message]) -> dict[Partition, int]:
    firsts: dict[Partition, int] = {}
    for each in messages:
        firsts.setdefault(_place(each), _offset(each))
    return firsts


def _raise_if_fatal(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)
    _log.warning("kafka", error=str(error))


def _place(message: Message) -> Partition:
    topic, partition = message.topic(), message.partition()
    if topic is None or partition is None:
        raise ValueError("a consumed message has a topic and a partition")
    return topic, partition


def _offset(message: Message) -> int:
    offset = message.offset()
    if offset is None:
        raise ValueError("a consumed message has an offset")
    return offset
