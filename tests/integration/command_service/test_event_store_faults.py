"""The event store on PostgreSQL when connections break, servers are away and callers leave: nothing lost or doubled."""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from command_service.errors import NotAllowedInStatus, StoreUnavailable
from command_service.event_store.database import Database
from command_service.event_store.port import Append, Appended, Conflict, Loaded, NewEvent, Outcome, Remembered
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.servicer import EventLogServicer
from command_service.event_store.sharding import shard_of
from command_service.event_store.writer import ShardWriter
from command_service.handler import CommandHandler
from command_service.orders.aggregate import order_aggregate
from command_service.orders.state import Order
from orderflow.events.v1.event_log_pb2 import ReadAggregateRequest, RecordedEvent
from orderflow.orders.v1 import commands_pb2 as commands
from tests.integration.command_service.appends import append_of, data, versions
from tests.integration.command_service.gate import Gate, gate_of
from tests.integration.command_service.sessions import kill_sessions
from tests.integration.command_service.tcp_proxy import TcpProxy, opened
from tests.integration.conftest import WriteDatabase, host_and_port
from tests.support.eventually import eventually
from tests.support.orders import (
    ORDER_ID,
    add,
    confirm,
    create,
    created,
    item,
    item_added,
    item_removed,
    money,
    pay,
)

SECONDS = 8.0
"""Longest that anything here may wait for a database that is away."""
REMEMBERED = Remembered(b"digest", "contract", b"answer")


@asynccontextmanager
async def store_at(url: str, shards: int = 1) -> AsyncIterator[PostgresEventStore]:
    """A command server's store."""
    async with (
        Database(url, max_connections=3) as database,
        PostgresEventStore(database, shards, max_waiting=1000) as store,
    ):
        yield store


@pytest.fixture
async def store(write_database: WriteDatabase) -> AsyncIterator[PostgresEventStore]:
    async with store_at(write_database.service_url) as store:
        yield store


@pytest.fixture
async def gate(write_database: WriteDatabase) -> AsyncIterator[Gate]:
    async with gate_of(write_database) as gate:
        yield gate


@pytest.fixture
async def proxy(write_database: WriteDatabase) -> AsyncIterator[TcpProxy]:
    async with opened(TcpProxy(host_and_port(write_database.service_url))) as proxy:
        yield proxy


@pytest.fixture
async def far_store(write_database: WriteDatabase, proxy: TcpProxy) -> AsyncIterator[PostgresEventStore]:
    """A store behind the proxy; its writer is connected already."""
    _, port = host_and_port(write_database.service_url)
    async with store_at(write_database.service_url.replace(f":{port}/", f":{proxy.port}/")) as store:
        await store.append(append_of(uuid.uuid4()))
        yield store


async def log_of(store: PostgresEventStore, aggregate_id: uuid.UUID) -> list[bytes]:
    history = (await store.load(aggregate_id, None)).history
    assert versions(history) == [*range(1, len(history) + 1)]
    return data(history)


async def unavailable(call: Awaitable[Any]) -> None:
    """The call is refused as unavailable, within seconds."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(call, SECONDS)
    assert time.monotonic() - started < SECONDS


# Away.


@pytest.mark.parametrize("request_id", ["", "r-1"], ids=["without request id", "with request id"])
async def test_a_database_that_is_away_is_told_within_seconds(request_id: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with store_at(f"postgresql://app:secret@127.0.0.1:{nobody.getsockname()[1]}/orderflow") as store:
            append = append_of(uuid.uuid4(), request=request_id or None)
            await asyncio.gather(
                unavailable(store.append(append)),
                unavailable(store.load(append.aggregate_id, append.request)),
                unavailable(store.load_many([append.aggregate_id])),
                unavailable(anext(aiter(store.read_aggregate(append.aggregate_id)))),
                unavailable(store.read_log(0, 0)),
            )


async def test_a_database_that_comes_back_is_used_again(far_store: PostgresEventStore, proxy: TcpProxy) -> None:
    append = append_of(uuid.uuid4(), request="r-1")
    await proxy.cut()
    await unavailable(far_store.append(append))
    await unavailable(far_store.load(append.aggregate_id, None))
    await proxy.open()
    assert await far_store.append(append) == Appended()

    async def readable() -> bool:
        try:
            return await log_of(far_store, append.aggregate_id) == [append.events[0].event_data]
        except StoreUnavailable:
            return False

    await eventually(readable, within=10)


async def test_a_primary_that_has_become_a_replica_is_away(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    append = append_of(uuid.uuid4(), request="r-1")
    with psycopg.connect(write_database.owner_url, autocommit=True) as owner:
        name = psycopg.sql.Identifier(write_database.name)
        alter = psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        owner.execute(alter.format(name, psycopg.sql.SQL("on")))
        await unavailable(store.append(append))
        await unavailable(store.append(append_of(uuid.uuid4())))
        owner.execute("SET default_transaction_read_only = off")
        owner.execute(alter.format(name, psycopg.sql.SQL("off")))
    assert await store.append(append) == Appended()


async def test_a_pool_without_a_free_connection_is_told_within_seconds(write_database: WriteDatabase) -> None:
    async with Database(write_database.service_url, max_connections=2) as database, AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(database.connection())
        async with PostgresEventStore(database, 1, max_waiting=10) as store:
            await unavailable(store.load(uuid.uuid4(), None))
            assert await store.append(append_of(uuid.uuid4())) == Appended(), "the writer has a connection of its own"


async def test_connections_notice_a_host_that_vanished(write_database: WriteDatabase) -> None:
    """Without probes a session that waits for an answer would wait for two hours."""
    async with Database(write_database.service_url, max_connections=2) as database:
        own = await database.own_connection()
        async with database.connection() as pooled:
            for connection in (own, pooled):
                with socket.socket(fileno=os.dup(connection.fileno())) as there:
                    get = partial(there.getsockopt, socket.IPPROTO_TCP)
                    idle, pause, probes = map(get, (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT))
                assert idle + pause * probes <= 20
        await own.close()


# Killed.


async def test_an_append_that_is_killed_while_it_waits_for_its_turn_is_sent_again(
    write_database: WriteDatabase, store: PostgresEventStore, gate: Gate
) -> None:
    async with store_at(write_database.service_url) as rival:
        first, second = append_of(uuid.uuid4()), append_of(uuid.uuid4(), request="r-1")
        async with gate.closed(first.aggregate_id):
            one = asyncio.create_task(rival.append(first))
            await gate.until_waiting(1)
            two = asyncio.create_task(store.append(second))
            await gate.until_waiting(2)
            await kill_the_newest_waiter(write_database)
            await gate.until_waiting(2)
        assert await one == await two == Appended()
        assert await log_of(store, second.aggregate_id) == [second.events[0].event_data]


async def kill_the_newest_waiter(database: WriteDatabase) -> None:
    query = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND wait_event_type = 'Lock'
        ORDER BY query_start DESC LIMIT 1
    """
    async with await psycopg.AsyncConnection.connect(database.service_url, autocommit=True) as connection:
        await connection.execute(query)


async def test_an_append_that_is_killed_before_its_commit_is_sent_again_and_stored_once(
    write_database: WriteDatabase, store: PostgresEventStore, gate: Gate
) -> None:
    append = append_of(uuid.uuid4(), events=3, request="r-1")
    async with gate.closed(append.aggregate_id):
        appending = asyncio.create_task(store.append(append))
        await gate.until_waiting(1)
        assert await kill_sessions(write_database, "waiting") == 1
        await gate.until_waiting(1)
        assert await log_of(store, append.aggregate_id) == []
    assert await appending == Appended()
    assert await log_of(store, append.aggregate_id) == [event.event_data for event in append.events]
    assert await store.append(append) == REMEMBERED


async def test_an_append_without_request_id_that_is_killed_is_never_sent_twice(
    write_database: WriteDatabase, store: PostgresEventStore, gate: Gate
) -> None:
    append = append_of(uuid.uuid4())
    async with gate.closed(append.aggregate_id):
        appending = asyncio.create_task(store.append(append))
        await gate.until_waiting(1)
        await kill_sessions(write_database, "waiting")
        await unavailable(appending)
    assert await log_of(store, append.aggregate_id) == []
    assert await store.append(append) == Appended(), "the next append has a connection again"


async def test_a_commit_whose_answer_is_lost_is_answered_as_it_was_stored(
    store: PostgresEventStore, far_store: PostgresEventStore, proxy: TcpProxy
) -> None:
    append = append_of(uuid.uuid4(), events=2, request="r-1")
    appending = await committed_unheard(store, far_store, proxy, append)
    await proxy.drop()
    assert await appending == REMEMBERED
    assert await log_of(store, append.aggregate_id) == [event.event_data for event in append.events]


async def test_a_commit_without_request_id_whose_answer_is_lost_is_told_as_unknown_and_not_repeated(
    store: PostgresEventStore, far_store: PostgresEventStore, proxy: TcpProxy
) -> None:
    append = append_of(uuid.uuid4(), events=2)
    appending = await committed_unheard(store, far_store, proxy, append)
    await proxy.drop()
    await unavailable(appending)
    assert await log_of(store, append.aggregate_id) == [event.event_data for event in append.events]


async def test_a_commit_whose_answer_cannot_be_learned_is_told_as_unknown_and_a_repeat_gets_the_answer(
    store: PostgresEventStore, far_store: PostgresEventStore, proxy: TcpProxy
) -> None:
    append = append_of(uuid.uuid4(), request="r-1")
    appending = await committed_unheard(store, far_store, proxy, append)
    await proxy.cut()
    await unavailable(appending)
    await proxy.open()
    assert await far_store.append(append) == REMEMBERED
    assert await log_of(store, append.aggregate_id) == [append.events[0].event_data]


async def committed_unheard(
    store: PostgresEventStore, far_store: PostgresEventStore, proxy: TcpProxy, append: Any
) -> "asyncio.Task[Any]":
    """Appends from afar; the commit takes place, in one go, and its answer is swallowed."""
    proxy.mute()
    appending = asyncio.create_task(far_store.append(append))

    async def committed() -> bool:
        return len(await log_of(store, append.aggregate_id)) == len(append.events)

    await eventually(committed, within=5)
    assert not appending.done()
    return appending


async def test_sessions_that_are_killed_while_idle_cost_an_append_with_request_id_nothing(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    await store.append(append_of(uuid.uuid4()))
    assert await kill_sessions(write_database, "idle") >= 1
    assert await store.append(append_of(uuid.uuid4(), request="r-1")) == Appended()


# Callers that leave, and appends that cannot be stored.


async def test_a_caller_who_leaves_cancels_no_commit(store: PostgresEventStore, gate: Gate) -> None:
    append = append_of(uuid.uuid4(), events=2, request="r-1")
    async with gate.closed(append.aggregate_id):
        appending = asyncio.create_task(store.append(append))
        await gate.until_waiting(1)
        appending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await appending
    assert await store.append(append) == REMEMBERED
    assert len(await log_of(store, append.aggregate_id)) == 2


async def test_a_store_that_closes_finishes_what_was_begun(write_database: WriteDatabase, gate: Gate) -> None:
    append = append_of(uuid.uuid4(), request="r-1")

    async def close_while_committing() -> "asyncio.Task[Any]":
        async with store_at(write_database.service_url) as closing, gate.closed(append.aggregate_id):
            appending = asyncio.create_task(closing.append(append))
            await gate.until_waiting(1)
        return appending

    assert await (await close_while_committing()) == Appended()


async def test_an_append_that_cannot_be_stored_fails_alone(database: Database) -> None:
    writer = ShardWriter(database, 0)
    good = [append_of(uuid.uuid4(), request=f"r-{number}") for number in range(3)]
    bad = append_of(uuid.uuid4(), aggregate_type="nul\0")
    outcomes = await writer.commit([good[0], bad, *good[1:]])
    assert [outcomes[0], *outcomes[2:]] == [Appended()] * 3
    assert isinstance(outcomes[1], psycopg.DataError)
    assert await writer.commit(good) == [REMEMBERED] * 3
    await writer.close()


_FAIL_AT_COMMIT = """
CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END $$;
CREATE CONSTRAINT TRIGGER fail_at_commit AFTER INSERT ON event_store
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_at_commit();
"""


@pytest.mark.parametrize("request_id", ["", "r-1"], ids=["without request id", "with request id"])
async def test_a_commit_that_fails_is_not_acknowledged_and_the_writer_goes_on(
    write_database: WriteDatabase, store: PostgresEventStore, request_id: str
) -> None:
    append = append_of(uuid.uuid4(), request=request_id or None)
    with psycopg.connect(write_database.owner_url, autocommit=True) as owner:
        owner.execute(_FAIL_AT_COMMIT)
        await unavailable(store.append(append))
        owner.execute("DROP TRIGGER fail_at_commit ON event_store")
    assert await log_of(store, append.aggregate_id) == []
    assert await store.append(append) == Appended()


async def test_an_event_that_came_past_the_lock_is_caught_by_the_index_and_the_writer_goes_on(
    write_database: WriteDatabase, store: PostgresEventStore, gate: Gate
) -> None:
    append = append_of(uuid.uuid4())
    smuggle = """
        INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata,
          created_at) VALUES (0, %s, 'order', 1, 'Event', '', '', now())
    """
    async with await psycopg.AsyncConnection.connect(write_database.service_url) as smuggler:
        await smuggler.execute(smuggle, [append.aggregate_id])
        appending = asyncio.create_task(store.append(append))
        await gate.until_waiting(1)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await appending
    assert await store.append(append) == Conflict(1)
    assert await store.append(append_of(uuid.uuid4())) == Appended()


# Many.


def handler_of(store: PostgresEventStore) -> Callable[[Any], Awaitable[Any]]:
    handler: CommandHandler[Order] = CommandHandler(
        order_aggregate(timedelta(days=5)),
        store,
        cached_states=100,
        clock=partial(datetime.now, UTC),
        new_id=uuid.uuid4,
    )

    def handle(command: Any) -> Awaitable[Any]:
        return handler.handle(command, getattr(commands, type(command).__name__.replace("Request", "Response")))

    return handle


async def test_a_hundred_writers_on_one_order_over_two_servers_are_all_accepted_without_a_gap(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    async with store_at(write_database.service_url) as other:
        servers = [handler_of(store), handler_of(other)]
        await servers[0](create())
        answers = await asyncio.gather(
            *[servers[number % 2](add(item("1.00"), request_id=f"r-{number}")) for number in range(100)]
        )
    assert sorted(answer.version for answer in answers) == [*range(2, 102)]
    assert len(await log_of(store, uuid.UUID(ORDER_ID))) == 101


async def test_one_request_at_the_same_instant_on_two_servers_has_one_effect_and_one_answer(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    async with store_at(write_database.service_url) as other:
        servers = [handler_of(store), handler_of(other)]
        for number in range(10):
            order = create(order_id="", request_id=f"r-{number}")
            answers = await asyncio.gather(*[server(order) for server in servers * 2])
            assert [each.SerializeToString() for each in answers] == [answers[0].SerializeToString()] * 4
            assert len(await log_of(store, uuid.UUID(answers[0].order_id))) == 1


async def test_a_creation_without_an_order_id_is_repeated_on_four_shards_and_names_one_order(
    write_database: WriteDatabase,
) -> None:
    async with store_at(write_database.service_url, 4) as store, store_at(write_database.service_url, 4) as other:
        servers = [handler_of(store), handler_of(other)]
        shards = set()
        for number in range(20):
            order = create(order_id="", request_id=f"r-{number}")
            first = await servers[number % 2](order)
            repeats = [await server(order) for server in servers]
            assert [each.SerializeToString() for each in repeats] == [first.SerializeToString()] * 2
            assert len(await log_of(store, uuid.UUID(first.order_id))) == 1
            shards.add(shard_of(uuid.UUID(first.order_id), 4))
    assert shards == {0, 1, 2, 3}


async def test_what_another_server_has_changed_is_seen_before_a_command_is_refused(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    async with store_at(write_database.service_url) as other:
        stale, fresh = handler_of(store), handler_of(other)
        await stale(create())
        await stale(pay("10.00", "pay-1"))
        await fresh(add(item("5.00")))
        assert (await stale(pay("5.00", "pay-2"))).version == 4, "by the state at hand nothing is left to be paid"
        await fresh(add(item("5.00")))
        assert (await stale(confirm(expected_version=5))).version == 6, "the version at hand is 4"
        with pytest.raises(NotAllowedInStatus) as refused:
            await fresh(add())
        assert refused.value.metadata["current_version"] == "6"


async def test_a_command_with_nothing_to_change_is_remembered_over_servers(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    async with store_at(write_database.service_url) as other:
        one, two = handler_of(store), handler_of(other)
        await one(create())
        await one(pay("10.00", "pay-1", request_id="r-1"))
        unchanged = await two(pay("10.00", "pay-1", request_id="r-2"))
        assert unchanged.version == 2
        await one(add())
        assert (await one(pay("10.00", "pay-1", request_id="r-2"))) == unchanged
        assert (await one(pay("10.00", "pay-1"))).version == 3, (
            "without a request id it is the present state that answers"
        )
    assert len(await log_of(store, uuid.UUID(ORDER_ID))) == 3


# Batches.


async def commit_together(store: PostgresEventStore, gate: Gate, appends: Sequence[Append]) -> list[Outcome]:
    """The outcomes of appends that wait for one commit, and are the next one's batch."""
    first = append_of(uuid.uuid4())
    async with gate.closed(first.aggregate_id):
        holding = asyncio.create_task(store.append(first))
        await gate.until_waiting(1)
        waiting = [asyncio.create_task(store.append(append)) for append in appends]
        await asyncio.sleep(0)  # each joins the queue in its first step
    assert await holding == Appended()
    return list(await asyncio.gather(*waiting))


async def commits_of(database: WriteDatabase, aggregate_ids: Sequence[uuid.UUID]) -> set[int]:
    """The transactions that stored the aggregates' events."""
    query = "SELECT DISTINCT xmin::text::bigint FROM event_store WHERE aggregate_id = ANY (%s)"
    async with await psycopg.AsyncConnection.connect(database.service_url) as connection:
        rows = await (await connection.execute(query, [list(aggregate_ids)])).fetchall()
    return {row[0] for row in rows}


async def test_of_a_batch_of_64_one_conflicts_and_the_63_others_are_stored_in_one_commit(
    write_database: WriteDatabase, store: PostgresEventStore, gate: Gate
) -> None:
    good = [append_of(uuid.uuid4(), events=2, request=f"r-{number}") for number in range(63)]
    late = append_of(uuid.uuid4(), 7, request="r-late")
    outcomes = await commit_together(store, gate, [*good[:30], late, *good[30:]])
    assert outcomes == [*[Appended()] * 30, Conflict(0), *[Appended()] * 33]
    assert len(await commits_of(write_database, [each.aggregate_id for each in good])) == 1
    for each in good:
        assert await log_of(store, each.aggregate_id) == [event.event_data for event in each.events]
    assert await store.load(late.aggregate_id, late.request) == Loaded(None, [], None)


async def test_commands_of_one_order_and_one_request_twice_at_one_instant_do_not_fail_their_batch(
    write_database: WriteDatabase, store: PostgresEventStore, gate: Gate
) -> None:
    order, twice = uuid.uuid4(), append_of(uuid.uuid4(), request="r-twice")
    first, second, rival = append_of(order, 0), append_of(order, 1), append_of(order, 0)
    neighbor = append_of(uuid.uuid4(), events=3)
    outcomes = await commit_together(store, gate, [first, twice, second, neighbor, twice, rival])
    assert outcomes == [Appended(), Appended(), Appended(), Appended(), REMEMBERED, Conflict(2)]
    assert await log_of(store, order) == [first.events[0].event_data, second.events[0].event_data]
    assert len(await log_of(store, twice.aggregate_id)) == 1
    assert len(await log_of(store, neighbor.aggregate_id)) == 3
    assert len(await commits_of(write_database, [twice.aggregate_id, neighbor.aggregate_id])) == 1


# Shards and long streams.


async def test_four_shards_hold_the_log_together_each_in_its_own_order(write_database: WriteDatabase) -> None:
    ids = [uuid.uuid4() for _ in range(40)]
    async with store_at(write_database.service_url, 4) as store:
        for version in (0, 2):
            appends = [append_of(each, version, events=2, request=f"r-{each}-{version}") for each in ids]
            assert set(await asyncio.gather(*map(store.append, appends))) == {Appended()}
        for shard in range(4):
            events, _ = await store.read_log(shard, 0)
            assert {each.log_shard for each in events} == {shard}
            here = [each for each in ids if shard_of(each, 4) == shard]
            assert here, "forty random ids leave no shard empty"
            for each in here:
                assert versions([event for event in events if event.aggregate_id == str(each)]) == [1, 2, 3, 4]
            assert len(events) == 4 * len(here)
        assert isinstance(await store.append(append_of(ids[0], 4, request=f"r-{ids[0]}-2")), Remembered)
        assert await store.append(append_of(ids[0], 3)) == Conflict(4)


async def test_an_order_of_ten_thousand_events_is_loaded_changed_and_read(
    write_database: WriteDatabase, store: PostgresEventStore
) -> None:
    order_id = uuid.UUID(ORDER_ID)
    history = [created(), *[item_added(), item_removed(total="10.00")] * 5_000][:9_999]
    made = [NewEvent(each.DESCRIPTOR.full_name, each.SerializeToString()) for each in history]
    for start in range(0, len(made), 1000):
        appended = await store.append(append_of(order_id, start, events=made[start : start + 1000]))
        assert appended == Appended()

    async with store_at(write_database.service_url) as fresh:
        handle = handler_of(fresh)
        answer = await handle(confirm(expected_version=9_999, request_id="r-1"))
        assert (answer.version, answer.total_amount) == (10_000, money("10.00"))
        assert await handle(confirm(expected_version=9_999, request_id="r-1")) == answer
        with pytest.raises(NotAllowedInStatus):
            await handle(add())

    read = await read_aggregate(store)
    assert versions(read) == [*range(1, 10_001)]
    assert data(read)[:-1] == [each.event_data for each in made]
    assert versions(await read_aggregate(store, after_version=9_990)) == [*range(9_991, 10_001)]


async def read_aggregate(store: PostgresEventStore, *, after_version: int = 0) -> list[RecordedEvent]:
    """The order's events as EventLogService answers them, in parts that a client takes."""
    context: Any = None
    request = ReadAggregateRequest(aggregate_type="order", aggregate_id=ORDER_ID, after_version=after_version)
    answers = [each async for each in EventLogServicer(store, 1).ReadAggregate(request, context)]
    assert max(each.ByteSize() for each in answers) < 4 * 1024 * 1024
    return [event for each in answers for event in each.events]
