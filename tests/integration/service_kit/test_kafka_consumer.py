"""BatchConsumer on a real Kafka: only what was finished is committed, and a slow batch costs no membership."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from structlog.testing import capture_logs

from service_kit.kafka_consumer import BatchConsumer, Handler
from tests.support.eventually import eventually
from tests.support.measured import measured
from tests.support.servers import KAFKA_BROKERS

PARTITIONS = 3
EVICTION_SECONDS = 6.0
"""The least that the broker takes for a session."""

Handle = Callable[[Sequence[Message]], Awaitable[None]]


@dataclass
class Topic:
    """A topic of the test's own, and a group that reads it."""

    name: str
    producer: Producer
    group: str = field(default_factory=lambda: uuid.uuid4().hex)

    def produce(self, *values: str, partition: int = 0) -> None:
        """Publishes values to a partition, and waits until they are there."""
        for value in values:
            self.producer.produce(self.name, value, partition=partition)
        assert self.producer.flush(10) == 0

    def produce_everywhere(self, suffix: str = "") -> None:
        """Publishes one value to each partition: its number, and the suffix."""
        for partition in range(PARTITIONS):
            self.produce(f"{partition}{suffix}", partition=partition)

    async def until_committed(self, offset: int) -> None:
        """Returns when the group has committed this offset for every partition."""

        async def all_committed() -> bool:
            return self.committed() == dict.fromkeys(range(PARTITIONS), offset)

        await eventually(all_committed, what="every message finished, and no offset set back")

    def consumer(self, *, hold_seconds: float = 5.0, batch_size: int = 1000, **config: Any) -> BatchConsumer:
        """A member of the group."""
        settings = {
            "bootstrap.servers": KAFKA_BROKERS,
            "group.id": self.group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": int(EVICTION_SECONDS * 1000),
            "max.poll.interval.ms": int(EVICTION_SECONDS * 1000),
            **{name.replace("_", "."): value for name, value in config.items()},
        }
        return BatchConsumer(settings, [self.name], hold_seconds=hold_seconds, batch_size=batch_size)

    def committed(self) -> dict[int, int]:
        """The group's offsets, of the partitions that have one."""
        return {each.partition: each.offset for each in self._committed() if each.offset >= 0}

    def metadata(self, partition: int = 0) -> str:
        """What stands beside a partition's offset."""
        return self._committed()[partition].metadata or ""

    def _committed(self) -> list[TopicPartition]:
        reader = Consumer({"bootstrap.servers": KAFKA_BROKERS, "group.id": self.group})
        found = reader.committed([TopicPartition(self.name, each) for each in range(PARTITIONS)], timeout=10)
        reader.close()
        return found


class Handled:
    """Keeps what it is handed, by value."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.batches: list[list[str]] = []
        self.condemned: list[str] = []
        self.assignments = 0

    async def assigned(self) -> None:
        """Counts."""
        self.assignments += 1

    async def handle(self, messages: Sequence[Message]) -> None:
        """Finishes all."""
        self.batches.append([value_of(each) for each in messages])
        self.values += self.batches[-1]

    async def condemn(self, message: Message) -> None:
        """Finishes it."""
        self.condemned.append(value_of(message))

    async def until(self, *values: str, within: float = 20.0) -> None:
        """Returns when these values were handled, each once and nothing else, partition by partition in order."""

        async def all_there() -> bool:
            return len(self.values) >= len(values)

        await eventually(all_there, within=within, what=f"{len(values)} handled messages")
        assert sorted(self.values) == sorted(values)


class Doing(Handled):
    """Does as it is told."""

    def __init__(self, do: Handle) -> None:
        super().__init__()
        self._do = do

    async def handle(self, messages: Sequence[Message]) -> None:
        """Does it."""
        await self._do(messages)


def value_of(message: Message) -> str:
    value = message.value()
    assert value is not None
    return value.decode()


@asynccontextmanager
async def consuming(consumer: BatchConsumer, handler: Handler) -> AsyncIterator["asyncio.Task[None]"]:
    """A running consumer, told to stop at the end of the body."""
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(handler, stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait({task})


@pytest.fixture(scope="module")
def admin() -> AdminClient:
    return AdminClient({"bootstrap.servers": KAFKA_BROKERS})


@pytest.fixture(scope="module")
def producer() -> Producer:
    """Publishes as the relay does: without idempotence a retry on a topic just made puts messages out of order."""
    return Producer({"bootstrap.servers": KAFKA_BROKERS, "linger.ms": 0, "enable.idempotence": True})


@pytest.fixture
def topic(admin: AdminClient, producer: Producer) -> Iterator[Topic]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    admin.create_topics([NewTopic(name, PARTITIONS)])[name].result(10)
    yield Topic(name, producer)
    admin.delete_topics([name])[name].result(10)


async def test_what_was_handled_is_committed_and_never_handed_out_again(topic: Topic) -> None:
    topic.produce("a", "b", partition=0)
    topic.produce("c", partition=1)
    first, second = Handled(), Handled()
    async with consuming(topic.consumer(), first):
        await first.until("a", "b", "c")
    assert topic.committed() == {0: 2, 1: 1}
    topic.produce("d", partition=1)
    async with consuming(topic.consumer(), second):
        await second.until("d")


async def test_batches_and_their_messages_are_measured(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    topic.produce("a", "b", "c")
    labels = {"messaging.system": "kafka", "messaging.operation.name": "process"}
    handled = Handled()
    with measured(monkeypatch) as found:
        async with consuming(topic.consumer(), handled):
            await handled.until("a", "b", "c")
        assert found.values("messaging.client.consumed.messages") == [(labels, 3)]
        ((measured_labels, point),) = found.histograms("messaging.process.duration")
    assert measured_labels == labels
    assert point.count == len(handled.batches)


async def test_messages_of_a_partition_come_in_order_and_within_the_batch_size(topic: Topic) -> None:
    values = [f"{number:03}" for number in range(250)]
    topic.produce(*values)
    handled = Handled()
    async with consuming(topic.consumer(batch_size=100), handled):
        await handled.until(*values)
    assert handled.values == values
    assert max(map(len, handled.batches)) <= 100


async def test_a_message_is_handed_on_when_it_arrives(topic: Topic) -> None:
    """Not when a batch is full or some time is up: that would be added to every change's way to its readers."""
    handled = Handled()
    async with consuming(topic.consumer(), handled):
        topic.produce("first")
        await handled.until("first")
        delays = []
        for number in range(10):
            loop = asyncio.get_running_loop()
            started = loop.time()
            await asyncio.to_thread(topic.produce, str(number))
            while len(handled.values) < number + 2:  # noqa: ASYNC110 -- finer than any event that could be awaited
                await asyncio.sleep(0.001)
            delays.append(loop.time() - started)
    assert sorted(delays)[5] < 0.1


async def test_a_handler_that_raises_ends_the_consumer_and_commits_nothing_of_its_batch(topic: Topic) -> None:
    topic.produce("a")

    async def fails(_messages: Sequence[Message]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await topic.consumer().run(Doing(fails), asyncio.Event())
    assert topic.committed() == {0: 0}
    handled = Handled()
    async with consuming(topic.consumer(), handled):
        await handled.until("a")


async def test_a_consumer_that_is_told_to_stop_finishes_the_batch_in_hand(topic: Topic) -> None:
    topic.produce("a", "b")
    begun, release, handled = asyncio.Event(), asyncio.Event(), Handled()

    async def waits(messages: Sequence[Message]) -> None:
        begun.set()
        await release.wait()
        await handled.handle(messages)

    stop = asyncio.Event()
    running = asyncio.create_task(topic.consumer().run(Doing(waits), stop))
    await begun.wait()
    stop.set()
    release.set()
    await running
    assert handled.values == ["a", "b"]
    assert topic.committed() == {0: 2}


async def test_a_consumer_that_is_cancelled_has_ended_its_handler_left_its_group_and_committed_nothing(
    topic: Topic,
) -> None:
    topic.produce("a")
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def waits(_messages: Sequence[Message]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # what a real handler does to close what it holds
            cleaned.set()

    running = asyncio.create_task(topic.consumer(hold_seconds=0.1).run(Doing(waits), asyncio.Event()))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned.is_set()
    assert topic.committed() == {0: 0}
    assert topic.metadata() == ""
    handled = Handled()
    async with consuming(topic.consumer(), handled):
        await handled.until("a", within=EVICTION_SECONDS - 1)


async def test_a_slow_batch_keeps_its_membership_and_its_messages(topic: Topic) -> None:
    """Slower than a group waits for a member that does not poll; without being held it is thrown out."""
    topic.produce("a", "b")
    held, thrown_out = await asyncio.gather(
        slow_batch(topic, hold_seconds=0.5), slow_batch(replace(topic, group=uuid.uuid4().hex), hold_seconds=100.0)
    )
    assert held == {0: 2}
    assert thrown_out == {0: 0}


async def slow_batch(topic: Topic, *, hold_seconds: float) -> dict[int, int]:
    """What is committed right after a batch that takes longer than an eviction."""
    handled, begun = Handled(), asyncio.Event()

    async def slowly(messages: Sequence[Message]) -> None:
        begun.set()
        await asyncio.sleep(EVICTION_SECONDS + 1.5)
        stop.set()
        await handled.handle(messages)

    stop = asyncio.Event()
    running = asyncio.create_task(topic.consumer(hold_seconds=hold_seconds, batch_size=10).run(Doing(slowly), stop))
    await begun.wait()
    await running
    return topic.committed()


class Held(Handled):
    """Holds what it is handed until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.release = asyncio.Event(), asyncio.Event()

    async def handle(self, messages: Sequence[Message]) -> None:
        """Waits, and then finishes all."""
        self.begun.set()
        await self.release.wait()
        await super().handle(messages)


async def overtaken(topic: Topic, second: Handled) -> list[int]:
    """The partitions of which a second member has finished what the first one holds, and another message."""

    async def shared() -> bool:
        return bool(second.values)

    await eventually(shared, what="partitions for the second member")
    topic.produce_everywhere(" new")

    async def gone_further() -> list[int] | None:
        return [partition for partition, offset in topic.committed().items() if offset == 2] or None

    return await eventually(gone_further, what="a second member beyond the first one's batch")


@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "stays"])
async def test_a_partition_that_is_lost_while_a_batch_is_held_is_not_committed_by_its_former_owner(
    topic: Topic, *, leaves: bool
) -> None:
    topic.produce_everywhere()
    first, second = Held(), Handled()
    async with AsyncExitStack() as members:
        former = await members.enter_async_context(AsyncExitStack())
        await former.enter_async_context(consuming(topic.consumer(hold_seconds=0.1), first))
        await first.begun.wait()
        await members.enter_async_context(consuming(topic.consumer(), second))
        taken = await overtaken(topic, second)
        assert len(taken) < PARTITIONS
        first.release.set()
        if leaves:
            await former.aclose()
        await topic.until_committed(2)
    assert [second.values.count(f"{partition} new") for partition in taken] == [1] * len(taken)
    assert {*first.values, *second.values} == {f"{each}{new}" for each in range(PARTITIONS) for new in ("", " new")}


async def test_a_batch_finished_between_two_assignments_leaves_no_partition_paused(topic: Topic) -> None:
    """At that moment nothing is assigned that could be resumed, and Kafka's client remembers what was paused."""
    topic.produce_everywhere()
    first, second = Held(), Handled()
    async with consuming(topic.consumer(hold_seconds=0.2), first):
        await first.begun.wait()
        with capture_logs() as entries:
            async with consuming(topic.consumer(), second):
                while not any(each["event"] == "partitions revoked" for each in entries):  # noqa: ASYNC110 -- at once
                    await asyncio.sleep(0.001)
                first.release.set()
                await topic.until_committed(1)


async def test_a_partition_that_comes_back_while_a_batch_is_held_keeps_what_others_have_committed(topic: Topic) -> None:
    topic.produce_everywhere()
    first, second = Held(), Handled()
    with capture_logs() as entries:

        async def all_back() -> bool:
            counts: list[int] = [each["count"] for each in entries if each["event"] == "partitions assigned"]
            return counts[-1] == PARTITIONS

        async with consuming(topic.consumer(hold_seconds=0.1), first):
            await first.begun.wait()
            async with consuming(topic.consumer(), second):
                taken = await overtaken(topic, second)
            before = topic.committed()
            await eventually(all_back, what="all partitions given back")
            first.release.set()

            async def read_again() -> bool:
                return len(first.values) >= PARTITIONS and all(topic.committed().values())

            await eventually(read_again, what="what the second member has left")
        after = topic.committed()
    assert all(after[partition] >= before[partition] for partition in taken)


async def test_a_check_tells_whether_the_brokers_answer(topic: Topic) -> None:
    consumer = topic.consumer()
    async with consuming(consumer, Handled()):
        await consumer.check()
    with pytest.raises(RuntimeError):
        await consumer.check()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = topic.consumer(bootstrap_servers=f"127.0.0.1:{nobody.getsockname()[1]}")
        async with consuming(away, Handled()):
            with pytest.raises(KafkaException):
                await away.check()


class Deadly:
    """Stands for a process that dies while it handles a value; each run is a process of its own."""

    def __init__(self, topic: Topic, value: str) -> None:
        self._topic = topic
        self._value = value
        self.deaths: list[list[str]] = []

    async def run(self) -> Handled:
        """One process, until it dies or has gone past everything."""
        handled, stop = Handled(), asyncio.Event()

        async def dies(messages: Sequence[Message]) -> None:
            values = [value_of(each) for each in messages]
            if self._value in values:
                self.deaths.append(values)
                raise MemoryError
            await handled.handle(messages)
            if "last" in values:
                stop.set()

        handler = Doing(dies)
        with suppress(MemoryError):
            await self._topic.consumer().run(handler, stop)
        handled.condemned = handler.condemned
        return handled


async def test_a_message_that_kills_its_process_again_and_again_is_found_and_condemned(topic: Topic) -> None:
    topic.produce("a", "b", "poison", "c", "last")
    deadly = Deadly(topic, "poison")
    runs = [await deadly.run() for _ in range(5)]
    assert deadly.deaths == [["a", "b", "poison", "c", "last"]] * 3 + [["poison"]]
    assert [run.values for run in runs] == [[], [], [], ["a", "b"], ["c", "last"]]
    assert [run.condemned for run in runs] == [[], [], [], [], ["poison"]]
    assert topic.committed() == {0: 5}
    assert topic.metadata() == ""


async def test_a_death_is_counted_where_a_process_has_begun_and_nowhere_else(topic: Topic) -> None:
    topic.produce("a")
    seen: list[str] = []

    async def looks(_messages: Sequence[Message]) -> None:
        seen.append(topic.metadata())

    handler = Doing(looks)
    async with consuming(topic.consumer(), handler):
        for number in range(3):
            topic.produce("more")

            async def handled(number: int = number) -> bool:
                return len(seen) > number

            await eventually(handled)
    assert seen[0] == "begun=1 to=0" or seen[0] == "begun=1 to=1"
    assert set(seen[1:]) == {""}


async def test_work_that_is_pardoned_or_cancelled_does_not_count(topic: Topic) -> None:
    topic.produce("a")
    for _ in range(6):
        consumer, begun = topic.consumer(), asyncio.Event()

        async def meets_an_outage(
            _messages: Sequence[Message], consumer: BatchConsumer = consumer, begun: asyncio.Event = begun
        ) -> None:
            await consumer.pardon()
            begun.set()
            raise ValueError("gives up")

        with pytest.raises(ValueError, match="gives up"):
            await consumer.run(Doing(meets_an_outage), asyncio.Event())
    assert topic.metadata() == ""


async def test_what_is_handed_over_in_a_rebalance_is_not_held_against_it(topic: Topic) -> None:
    for partition in range(PARTITIONS):
        topic.produce("a", partition=partition)
    begun, release, second = asyncio.Event(), asyncio.Event(), Handled()

    async def waits(_messages: Sequence[Message]) -> None:
        begun.set()
        await release.wait()

    seen: list[str] = []

    async def looks(messages: Sequence[Message]) -> None:
        seen.extend(topic.metadata(each.partition() or 0) for each in messages)
        await second.handle(messages)

    async with consuming(topic.consumer(hold_seconds=0.1), Doing(waits)):
        await begun.wait()
        async with consuming(topic.consumer(), Doing(looks)):

            async def taken_over() -> bool:
                return bool(second.values)

            await eventually(taken_over, what="partitions for the second member")
            release.set()
    assert set(seen) == {"begun=1 to=0"}


async def test_new_partitions_are_told_of_before_their_first_messages(topic: Topic) -> None:
    handled = Handled()

    async def after_assignment(messages: Sequence[Message]) -> None:
        assert handler.assignments == 1
        await handled.handle(messages)

    handler = Doing(after_assignment)
    async with consuming(topic.consumer(), handler):

        async def assigned() -> bool:
            return handler.assignments == 1

        await eventually(assigned, what="an assignment without a message")
        for number in range(3):
            topic.produce(f"{number}", partition=number)
        await handled.until("0", "1", "2")
        async with consuming(topic.consumer(), Handled()):

            async def assigned_again() -> bool:
                return handler.assignments == 2

            await eventually(assigned_again, what="an assignment after a rebalance")
