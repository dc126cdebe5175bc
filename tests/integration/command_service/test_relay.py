"""The relay: every event reaches Kafka, first appearances in order, whatever is away or dies meanwhile."""

import asyncio
import random
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, timedelta

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from command_service.event_store.database import Database
from command_service.event_store.port import Appended, NewEvent
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.schema import migrate
from command_service.event_store.sharding import ShardCountMismatch, agree_on_shards
from command_service.relay import publisher
from command_service.relay.topics import TooFewPartitions, prepare_topics
from command_service.statements import statement
from orderflow.admin.v1 import relay_admin_service_pb2 as pb
from orderflow.events.v1.event_log_pb2 import EventMetadata, RecordedEvent
from tests.integration.command_service.appends import append_of
from tests.integration.command_service.relays import (
    LEASE_SECONDS,
    PARTITIONS,
    Running,
    Topics,
    caught_up,
    environment,
    process,
    relaying,
    status,
)
from tests.integration.command_service.tcp_proxy import KafkaProxy
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.servers import KAFKA_BROKERS

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@dataclass(frozen=True)
class Log:
    """A log, the topics that it is to be published to, and relays between them."""

    database: WriteDatabase
    connections: Database
    store: PostgresEventStore
    prefix: str
    topics: Topics

    def relaying(self, **settings: str) -> AbstractAsyncContextManager["asyncio.Task[None]"]:
        """A relay in this process."""
        return relaying(self.database, self.prefix, **settings)

    def relay_process(self, **settings: str) -> AbstractContextManager[Running]:
        """A relay in a process of its own."""
        return process("command_service.relay", environment(self.database, self.prefix, **settings))

    async def append(self, count: int = 1, *, aggregate_type: str = "order") -> None:
        """Appends so many events, each of another aggregate."""
        made = [append_of(uuid.uuid4(), aggregate_type=aggregate_type) for _ in range(count)]
        assert set(await asyncio.gather(*map(self.store.append, made))) == {Appended()}

    async def events(self) -> list[RecordedEvent]:
        """The log as it is stored."""
        events, _ = await self.store.read_log(0, 0, limit=10_000)
        return events

    async def status(self) -> pb.RelayShardStatus:
        """What is told of its one shard."""
        [shard] = await status(self.connections)
        return shard

    async def caught_up(self, *, within: float = 20.0) -> pb.RelayShardStatus:
        """The status, once all is published."""
        [shard] = await caught_up(self.connections, within=within)
        return shard


@pytest.fixture
async def log(write_database: WriteDatabase, database: Database, topics: Topics) -> AsyncIterator[Log]:
    agree_on_shards(write_database.service_url, 1)
    async with PostgresEventStore(database, 1, max_waiting=10_000) as store:
        yield Log(write_database, database, store, topics.prefix, topics)


def by_place(events: list[RecordedEvent]) -> list[tuple[int, bytes]]:
    return sorted((event.position, event.event_data) for event in events)


# What is published.


async def test_every_event_appears_with_its_bytes_in_the_order_of_its_aggregate(log: Log) -> None:
    dice = random.Random(3)  # noqa: S311
    ids = [uuid.uuid4() for _ in range(12)]

    async def write(aggregate_id: uuid.UUID) -> None:
        version = 0
        for _ in range(5):
            count = dice.randint(1, 4)
            kind = "customer" if aggregate_id in ids[:3] else "order"
            await log.store.append(append_of(aggregate_id, version, events=count, aggregate_type=kind))
            version += count

    async with log.relaying():
        await asyncio.gather(*map(write, ids))
        stored = await log.events()
        published = await log.topics.read(len(stored))
    for each in stored:
        each.metadata.Clear()  # who sent the command stays in the store
    assert sorted(published, key=lambda each: each.position) == stored
    for versions in log.topics.first_appearances().values():
        assert versions == [*range(1, len(versions) + 1)]


async def test_a_message_is_as_the_contract_says(log: Log) -> None:
    aggregate_id = uuid.uuid4()
    metadata = EventMetadata(traceparent=TRACEPARENT, tracestate="vendor=1", principal="ada", request_id="r-1")
    event = NewEvent("orderflow.orders.v1.OrderCreated", b"\x00\xff stored bytes")
    await log.store.append(append_of(aggregate_id, events=[event], metadata=metadata.SerializeToString()))
    [stored] = await log.events()
    async with log.relaying():
        await log.topics.read(1)
    [message], [headers] = log.topics.messages, log.topics.headers
    assert message.topic() == f"{log.prefix}.orders.events.v1"
    assert message.key() == str(aggregate_id).encode()
    assert message.partition() == aggregate_id.int % PARTITIONS
    assert message.value() == event.event_data
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": f"{aggregate_id}/1",
        "ce_type": "orderflow.orders.v1.OrderCreated",
        "ce_source": "/orderflow/event-store/0",
        "ce_subject": str(aggregate_id),
        "ce_time": stored.record_time.ToDatetime(tzinfo=UTC).isoformat(timespec="microseconds"),
        "ce_aggregatetype": "order",
        "ce_aggregateversion": "1",
        "ce_position": str(stored.position),
        "content-type": "application/protobuf",
        "traceparent": TRACEPARENT,
        "tracestate": "vendor=1",
    }


async def test_each_kind_of_aggregate_has_its_topic(log: Log) -> None:
    for kind in ("order", "customer", "stock_item"):
        await log.append(aggregate_type=kind)
    async with log.relaying():
        events = await log.topics.read(3)
    found = {event.aggregate_type: message.topic() for event, message in zip(events, log.topics.messages, strict=True)}
    names = {"order": "orders", "customer": "customers", "stock_item": "inventory"}
    assert found == {kind: f"{log.prefix}.{name}.events.v1" for kind, name in names.items()}


async def test_an_event_without_fields_is_published_as_empty_bytes(log: Log) -> None:
    await log.store.append(append_of(uuid.uuid4(), events=[NewEvent("Empty", b"")]))
    async with log.relaying():
        await log.topics.read(1)
    assert log.topics.messages[0].value() == b""


async def test_a_backlog_that_is_larger_than_the_queue_is_published_all_the_same(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(publisher.CONFIG, "queue.buffering.max.kbytes", 1000)
    for _ in range(8):
        await log.store.append(append_of(uuid.uuid4(), events=[NewEvent("Large", b"x" * 400_000)]))
    async with log.relaying() as relay:
        published = await log.topics.read(8)
        assert not relay.done()
    assert by_place(published) == by_place(await log.events())


# The cursor.


async def test_a_relay_that_starts_again_goes_on_from_the_cursor(log: Log) -> None:
    async with log.relaying():
        await log.append(50)
        await log.caught_up()
    await log.append(50)
    async with log.relaying():
        await log.caught_up()
    published = await log.topics.read(100)
    assert by_place(published) == by_place(await log.events()), "each once: nothing was under way"


async def test_the_status_shows_how_far_the_relay_is(log: Log) -> None:
    await log.append(3)
    before = await log.status()
    assert (before.log_shard, before.holder, before.epoch, before.cursor_position) == (0, "", 0, 0)
    assert (before.head_position, before.lag_events) == (3, 3)
    assert before.lag_duration.ToTimedelta() > timedelta()
    assert not before.HasField("heartbeat_time")
    async with log.relaying():
        during = await log.caught_up()
        assert during.holder
        assert (during.epoch, during.cursor_position, during.lag_events) == (1, 3, 0)
        assert during.HasField("heartbeat_time")
    after = await log.status()
    assert (after.holder, after.epoch, after.cursor_position) == ("", 1, 3)


async def test_the_status_shows_shards_that_no_relay_has_taken(
    write_database: WriteDatabase, database: Database
) -> None:
    agree_on_shards(write_database.service_url, 3)
    shards = await status(database)
    assert [(each.log_shard, each.head_position, each.lag_events) for each in shards] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 0),
    ]


async def test_the_cursor_never_passes_an_event_that_was_not_delivered(log: Log, broker: KafkaProxy) -> None:
    async with log.relaying(KAFKA_BROKERS=f"127.0.0.1:{broker.port}"):
        await log.append(10)
        delivered = await log.caught_up()
        await broker.cut()
        await log.append(10)

        async def renewed() -> bool:
            now = await log.status()
            assert now.cursor_position == delivered.head_position
            assert (now.lag_events, now.epoch) == (10, delivered.epoch)
            return now.heartbeat_time.ToDatetime() - delivered.heartbeat_time.ToDatetime() > timedelta(seconds=2)

        await eventually(renewed, within=10, what="a relay that goes on leading")
        assert len(await log.topics.read(10)) == 10
        await broker.open()
        await log.caught_up()
    published = await log.topics.read(20)
    assert set(by_place(published)) == set(by_place(await log.events()))


# What is away.


async def test_a_publisher_is_abandoned_without_a_word_while_events_are_under_way(log: Log, broker: KafkaProxy) -> None:
    await log.append(50)
    arguments = {"log_shard": 0, "after_position": 0, "limit": 50}
    with psycopg.connect(log.database.service_url, autocommit=True) as connection:
        rows = connection.execute(statement("relay", "read"), arguments, binary=True).fetchall()
        topics = await asyncio.to_thread(
            prepare_topics, KAFKA_BROKERS, connection, prefix=log.prefix, partition_count=PARTITIONS
        )
    publishing = publisher.Publisher(f"127.0.0.1:{broker.port}", topics, 0)
    publishing.send(rows[:1])
    await eventually(lambda: asyncio.to_thread(publishing.poll, 0.1), what="the first delivery")
    broker.mute()
    publishing.send(rows[1:])
    assert len(await log.topics.read(50)) == 50, "sent, and not known to have arrived"
    await asyncio.to_thread(publishing.abandon)


async def test_a_relay_that_finds_no_broker_waits_for_one(log: Log, broker: KafkaProxy) -> None:
    await broker.cut()
    await log.append(5)
    async with log.relaying(KAFKA_BROKERS=f"127.0.0.1:{broker.port}") as relay:
        await asyncio.wait({relay}, timeout=6)
        assert not relay.done(), "it goes on longer than any single attempt takes"
        await broker.open()
        await log.topics.read(5)


async def test_a_relay_whose_sessions_are_killed_connects_again(log: Log) -> None:
    query = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'orderflow relay' AND datname = current_database()
    """
    async with log.relaying():
        await log.append(5)
        await log.caught_up()
        async with log.connections.connection() as connection:
            assert await (await connection.execute(query)).fetchone() == (2,)
        await log.append(5)
        await log.topics.read(10)


async def test_a_relay_waits_until_the_database_is_migrated(
    empty_database: WriteDatabase, topic_prefix: str, topics: Topics
) -> None:
    async with relaying(empty_database, topic_prefix) as relay:
        await asyncio.wait({relay}, timeout=0.3)
        assert not relay.done()
        await asyncio.to_thread(migrate, empty_database.owner_url, empty_database.service_url)
        async with (
            Database(empty_database.service_url, max_connections=2) as database,
            PostgresEventStore(database, 1, max_waiting=10) as store,
        ):
            await store.append(append_of(uuid.uuid4()))
            await topics.read(1)


async def test_a_relay_that_is_told_another_number_of_shards_ends(
    write_database: WriteDatabase, topic_prefix: str
) -> None:
    agree_on_shards(write_database.service_url, 2)
    async with relaying(write_database, topic_prefix) as relay:
        await asyncio.wait({relay}, timeout=10)
        assert isinstance(relay.exception(), ShardCountMismatch)


# Topics.


@pytest.fixture(scope="module")
def admin() -> AdminClient:
    return AdminClient({"bootstrap.servers": KAFKA_BROKERS})


async def test_a_topic_with_too_few_partitions_is_an_error_that_says_what_to_do(
    write_database: WriteDatabase, topic_prefix: str, admin: AdminClient
) -> None:
    topic = f"{topic_prefix}.orders.events.v1"
    admin.create_topics([NewTopic(topic, 1)])[topic].result(10)
    with psycopg.connect(write_database.service_url, autocommit=True) as connection:
        wanted = f"topic {topic} has 1 partitions and must have 3: add partitions to it"
        with pytest.raises(TooFewPartitions, match=wanted):
            prepare_topics(KAFKA_BROKERS, connection, prefix=topic_prefix, partition_count=3)
        prepared = prepare_topics(KAFKA_BROKERS, connection, prefix=topic_prefix, partition_count=1)
    assert prepared.by_type["order"] == (topic, 1), "a count that never was is not recorded"


async def test_the_partition_count_that_a_topic_was_first_used_with_holds_for_good(
    write_database: WriteDatabase, topic_prefix: str, admin: AdminClient
) -> None:
    aggregate_id = str(uuid.UUID(int=7))
    with psycopg.connect(write_database.service_url, autocommit=True) as connection:
        first = prepare_topics(KAFKA_BROKERS, connection, prefix=topic_prefix, partition_count=4)
        topic, partition = first.destination("order", aggregate_id)
        assert partition == 3
        admin.create_partitions([NewPartitions(topic, 6)])[topic].result(10)
        again = prepare_topics(KAFKA_BROKERS, connection, prefix=topic_prefix, partition_count=1)
        assert again.destination("order", aggregate_id) == (topic, 3)
        connection.execute("INSERT INTO relay_topic VALUES (%s, 2)", [f"{topic_prefix}-2.orders.events.v1"])
        with pytest.raises(TooFewPartitions, match="has 1 partitions and must have 2"):
            prepare_topics(KAFKA_BROKERS, connection, prefix=f"{topic_prefix}-2", partition_count=1)


async def test_a_relay_goes_on_by_itself_once_the_partitions_are_there(log: Log, admin: AdminClient) -> None:
    topic = f"{log.prefix}.orders.events.v1"
    admin.create_topics([NewTopic(topic, 1)])[topic].result(10)
    await log.append(5)
    async with log.relaying() as relay:
        await asyncio.wait({relay}, timeout=1.5)
        assert not relay.done()
        assert (await log.status()).epoch == 0, "it does not even lead"
        admin.create_partitions([NewPartitions(topic, PARTITIONS)])[topic].result(10)
        await log.topics.read(5)


# Shards.


async def test_more_shards_than_asyncio_has_threads_are_all_relayed(
    write_database: WriteDatabase, database: Database, topic_prefix: str, topics: Topics
) -> None:
    shards = 40
    async with PostgresEventStore(database, shards, max_waiting=1000) as store:
        ids = [uuid.UUID(int=number) for number in range(shards)]
        await asyncio.gather(*[store.append(append_of(each)) for each in ids])
    async with relaying(write_database, topic_prefix, LOG_SHARDS=str(shards)):
        published = await topics.read(shards)
        assert {each.log_shard for each in published} == {*range(shards)}
        assert [each.lag_events for each in await caught_up(database)] == [0] * shards


async def test_an_event_that_no_topic_is_known_for_ends_the_relay_and_is_not_passed(
    write_database: WriteDatabase, database: Database, topic_prefix: str
) -> None:
    async with PostgresEventStore(database, 2, max_waiting=10) as store:
        await store.append(append_of(uuid.UUID(int=1), aggregate_type="invoice"))
    async with relaying(write_database, topic_prefix, LOG_SHARDS="2") as relay:
        await asyncio.wait({relay}, timeout=15)
        assert relay.done(), "the other shard's thread ends, too"
        assert isinstance(relay.exception(), ExceptionGroup)
    assert [each.cursor_position for each in await status(database)] == [0, 0]


# Several relays.


async def test_of_two_relays_one_leads_and_the_other_takes_over_at_once_when_it_stops(log: Log) -> None:
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        await first.enter_async_context(log.relaying())
        await log.append(5)
        await log.caught_up()
        await second.enter_async_context(log.relaying())
        await log.append(20)
        assert (await log.caught_up()).epoch == 1
        await first.aclose()
        await log.append(5)
        assert (await log.caught_up(within=LEASE_SECONDS - 1)).epoch == 2
    published = await log.topics.read(30)
    assert by_place(published) == by_place(await log.events()), "each once: only one publishes"


async def test_a_leader_that_is_killed_is_followed_within_its_lease(log: Log) -> None:
    with log.relay_process() as leader:
        await log.append(10)
        led = await log.caught_up()
        assert led.holder.endswith(f"/{leader.pid}")
        async with log.relaying():
            leader.send(signal.SIGKILL)
            await log.append(10)
            followed = await log.caught_up(within=LEASE_SECONDS + 3)
    assert followed.epoch == led.epoch + 1
    published = await log.topics.read(20)
    assert set(by_place(published)) == set(by_place(await log.events()))


async def test_a_leader_that_was_frozen_moves_no_cursor_and_spoils_no_order(log: Log, broker: KafkaProxy) -> None:
    """Frozen with events under way, it may send them when it thaws: repeats, behind its successor's cursor."""
    ids = [uuid.uuid4() for _ in range(5)]

    async def append_version(version: int) -> None:
        await asyncio.gather(*[log.store.append(append_of(each, version - 1)) for each in ids])

    with log.relay_process(KAFKA_BROKERS=f"127.0.0.1:{broker.port}") as leader:
        await append_version(1)
        led = await log.caught_up()
        await broker.cut()
        await append_version(2)

        async def renewed() -> bool:
            return (await log.status()).heartbeat_time.ToDatetime() > led.heartbeat_time.ToDatetime()

        await eventually(renewed, within=10, what="a leader with events under way")
        leader.send(signal.SIGSTOP)
        async with log.relaying():
            await append_version(3)
            successor = await log.caught_up()
            assert successor.epoch == led.epoch + 1
            await broker.open()
            leader.send(signal.SIGCONT)
            await leader.until_logged("relay starts again")
            assert leader.logged("relay starts again")[0]["cause"] == "shard 0: another relay holds it"
            thawed = await log.status()
            assert (thawed.epoch, thawed.cursor_position) == (successor.epoch, successor.cursor_position)
            await append_version(4)
            assert (await log.caught_up()).holder == successor.holder
            await log.topics.read(20)
    assert log.topics.first_appearances() == {str(each): [1, 2, 3, 4] for each in ids}
