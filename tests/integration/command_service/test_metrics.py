"""What the event store and the relay measure, on real servers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from command_service.event_store.database import Database
from command_service.event_store.port import Appended, Conflict, Remembered
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.sharding import agree_on_shards
from tests.integration.command_service.appends import append_of
from tests.integration.command_service.relays import PARTITIONS, Topics, relaying
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.measured import Measured, measured
from tests.support.servers import KAFKA_BROKERS

SHARD = {"orderflow.log.shard": 0}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    with measured(monkeypatch) as found:
        yield found


@pytest.fixture
async def store(found: Measured, write_database: WriteDatabase) -> AsyncIterator[PostgresEventStore]:
    assert found
    agree_on_shards(write_database.service_url, 1)
    async with (
        Database(write_database.service_url, max_connections=5) as database,
        PostgresEventStore(database, 1, max_waiting=1000) as store,
    ):
        yield store


async def test_batches_are_measured_with_what_became_of_each_command(
    found: Measured, store: PostgresEventStore
) -> None:
    known, taken = uuid.uuid4(), uuid.uuid4()
    await asyncio.gather(store.append(append_of(known, request="again")), store.append(append_of(taken)))
    outcomes = await asyncio.gather(
        store.append(append_of(known, request="again")),
        store.append(append_of(taken)),
        *(store.append(append_of(uuid.uuid4())) for _ in range(20)),
    )
    assert [type(each) for each in outcomes[:3]] == [Remembered, Conflict, Appended]

    outcome = "orderflow.append.outcome"
    counted = {labels[outcome]: value for labels, value in found.values("orderflow.append.commands")}
    assert counted == {"appended": 22, "remembered": 1, "conflict": 1}
    ((labels, sizes),) = found.histograms("orderflow.append.batch.size")
    assert labels == SHARD
    assert sizes.sum == 24
    assert sizes.max > 1
    ((labels, waits),) = found.histograms("orderflow.append.batch.wait")
    assert labels == SHARD
    ((labels, durations),) = found.histograms("db.client.operation.duration")
    assert labels == {
        "db.system.name": "postgresql",
        "db.operation.name": "INSERT",
        "db.collection.name": "event_store",
    }
    assert sizes.count == waits.count == durations.count
    assert durations.min > 0
    assert found.values("orderflow.append.waiting") == [(SHARD, 0)]


async def test_a_relay_tells_what_it_published_and_that_nothing_is_left(
    found: Measured, store: PostgresEventStore, write_database: WriteDatabase, topics: Topics
) -> None:
    await store.append(append_of(uuid.uuid4(), events=3))
    async with relaying(write_database, topics.prefix):

        async def published() -> bool:
            assert found.values("orderflow.relay.published") == [(SHARD, 3)]
            assert found.values("orderflow.relay.leading") == [(SHARD, 1)]
            assert found.values("orderflow.relay.lag.events") == [(SHARD, 0)]
            assert found.values("orderflow.relay.lag.age") == [(SHARD, 0)]
            return True

        await eventually(published, what="the metrics of a relay that is up to date")
    assert found.values("orderflow.relay.leading") == [(SHARD, 0)]
    assert found.values("orderflow.relay.restarts") == []


async def test_a_relay_that_cannot_publish_tells_how_much_is_left_and_how_old_it_is(
    found: Measured, store: PostgresEventStore, write_database: WriteDatabase, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}.orders.events.v1"
    admin = AdminClient({"bootstrap.servers": KAFKA_BROKERS})
    admin.create_topics([NewTopic(topic, PARTITIONS - 1)])[topic].result(20)
    await store.append(append_of(uuid.uuid4(), events=3))
    async with relaying(write_database, topic_prefix):

        async def stuck() -> bool:
            assert found.values("orderflow.relay.lag.events") == [(SHARD, 3)]
            assert [age > 0 for _, age in found.values("orderflow.relay.lag.age")] == [True]
            causes = [labels for labels, _ in found.values("orderflow.relay.restarts")]
            assert causes == [{**SHARD, "error.type": "TooFewPartitions"}]
            return True

        await eventually(stuck, what="the metrics of a relay that cannot go on")
    assert found.values("orderflow.relay.published") == []
