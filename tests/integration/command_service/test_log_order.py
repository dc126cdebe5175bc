"""Position order is commit order is visibility order: who tails the log by one number misses nothing.

Each scenario is also put to statements that are nearly the store's own, and must tell them from it.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
import pytest

from command_service.event_store import writer
from command_service.event_store.database import Database
from command_service.event_store.port import Append, Appended, Conflict, EventStore, Outcome, Remembered
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.writer import ShardWriter
from command_service.statements import statement
from orderflow.events.v1.event_log_pb2 import RecordedEvent
from tests.integration.command_service.appends import append_of, data
from tests.integration.command_service.gate import Gate, gate_of
from tests.integration.conftest import WriteDatabase

WRITERS = 6
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Servers:
    """Command servers that share nothing but their database, and a gate before its commits."""

    stores: list[PostgresEventStore]
    writer: ShardWriter
    gate: Gate


class Tail:
    """A reader that asks again and again for what comes after the last position it saw."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._position = 0
        self.seen: list[RecordedEvent] = []

    async def read(self) -> None:
        """Reads what there is now."""
        events, self._position = await self._store.read_log(0, self._position, limit=7)
        while events:
            self.seen += events
            events, self._position = await self._store.read_log(0, self._position, limit=7)

    async def follow(self, end: asyncio.Event) -> None:
        """Reads until told that nothing comes any more, and then to the end."""
        while not end.is_set():
            await self.read()
            await asyncio.sleep(0)
        await self.read()


@pytest.fixture
async def servers(write_database: WriteDatabase) -> AsyncIterator[Servers]:
    async with gate_of(write_database) as gate, AsyncExitStack() as running:
        stores = []
        for _ in range(WRITERS):
            database = await running.enter_async_context(Database(write_database.service_url, max_connections=2))
            store = PostgresEventStore(database, 1, max_waiting=1000)
            stores.append(await running.enter_async_context(store))
        shard_writer = ShardWriter(database, 0)
        running.push_async_callback(shard_writer.close)
        yield Servers(stores, shard_writer, gate)


async def all_of(*tasks: Awaitable[Answer]) -> list[Answer]:
    """Their answers, once all of them have ended, so that none outlives a failure of another."""
    answers: list[Answer] = []
    for each in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(each, BaseException):
            raise each
        answers.append(each)
    return answers


async def either(task: "asyncio.Task[Outcome]", condition: Coroutine[Any, Any, None]) -> None:
    """Returns when the task has ended or the condition holds."""
    waiting = asyncio.create_task(condition)
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await asyncio.wait({waiting})


# Scenarios: each returns where the promise is kept.


async def an_append_that_is_overtaken_is_not_skipped(servers: Servers) -> None:
    """Two appends of several events, the first held open before its commit while the second could commit."""
    first, second = append_of(uuid.uuid4(), events=3), append_of(uuid.uuid4(), events=2)
    tail = Tail(servers.stores[2])
    async with servers.gate.closed(first.aggregate_id):
        one = asyncio.create_task(servers.stores[0].append(first))
        await servers.gate.until_waiting(1)
        two = asyncio.create_task(servers.stores[1].append(second))
        await either(two, servers.gate.until_waiting(2))
        await tail.read()
    assert await all_of(one, two) == [Appended(), Appended()]
    await tail.read()
    assert data(tail.seen) == [event.event_data for each in (first, second) for event in each.events]


async def a_rival_that_commits_meanwhile_is_an_exact_conflict(servers: Servers) -> None:
    """Two appends on one version, the second begun while the first is held open before its commit."""
    aggregate_id = uuid.uuid4()
    first, second = append_of(aggregate_id, events=2), append_of(aggregate_id, events=2)
    outcomes = await _second_begins_before_first_commits(servers, first.aggregate_id, first, second)
    assert outcomes == [Appended(), Conflict(2)]


async def a_repeat_that_meets_its_first_attempt_is_answered_with_it(servers: Servers) -> None:
    """One request twice, the second begun while the first is held open before its commit."""
    aggregate_id = uuid.uuid4()
    first = append_of(aggregate_id, request="r-1", response=b"first")
    second = append_of(aggregate_id, request="r-1", response=b"second")
    outcomes = await _second_begins_before_first_commits(servers, first.aggregate_id, first, second)
    assert outcomes == [Appended(), Remembered(b"digest", "contract", b"first")]


async def events_of_a_batch_are_in_the_order_of_the_batch(servers: Servers) -> None:
    """One batch of many commands of several events each."""
    for size in (2, 40, 250):
        batch = [append_of(uuid.uuid4(), events=1 + number % 5) for number in range(size)]
        tail = Tail(servers.stores[0])
        await tail.read()
        before = len(tail.seen)
        assert set(await servers.writer.commit(batch)) == {Appended()}
        await tail.read()
        assert data(tail.seen[before:]) == [event.event_data for each in batch for event in each.events]


async def whatever_writers_do_a_tail_sees_exactly_what_was_committed(servers: Servers) -> None:
    """Several servers append 1-5 events to the same few aggregates; a reader tails the log all the while."""
    dice = random.Random(7)  # noqa: S311
    aggregates = [uuid.uuid4() for _ in range(4)]
    accepted: dict[uuid.UUID, list[bytes]] = {each: [] for each in aggregates}

    async def write(store: PostgresEventStore) -> None:
        for _ in range(12):
            aggregate_id = dice.choice(aggregates)
            history = (await store.load(aggregate_id, None)).history
            append = append_of(aggregate_id, len(history), events=dice.randint(1, 5))
            match await store.append(append):
                case Appended():
                    accepted[aggregate_id] += [event.event_data for event in append.events]
                case Conflict(current):
                    assert current > len(history), "a conflict tells what made it one"

    end, tails = asyncio.Event(), [Tail(store) for store in servers.stores[:2]]
    following = [asyncio.create_task(tail.follow(end)) for tail in tails]
    try:
        await all_of(*map(write, servers.stores))
    finally:
        end.set()
        await all_of(*following)
    for tail in tails:
        for each in aggregates:
            seen = [event for event in tail.seen if event.aggregate_id == str(each)]
            assert [event.version for event in seen] == [*range(1, len(seen) + 1)]
            assert sorted(data(seen)) == sorted(accepted[each])
        positions = [event.position for event in tail.seen]
        assert positions == sorted(set(positions))


async def _second_begins_before_first_commits(servers: Servers, held: uuid.UUID, *appends: Append) -> list[Outcome]:
    async with servers.gate.closed(held):
        one = asyncio.create_task(servers.stores[0].append(appends[0]))
        await servers.gate.until_waiting(1)
        two = asyncio.create_task(servers.stores[1].append(appends[1]))
        await either(two, servers.gate.until_waiting(2))
    return await all_of(one, two)


Scenario = Callable[[Servers], Awaitable[None]]
SCENARIOS: list[Scenario] = [
    an_append_that_is_overtaken_is_not_skipped,
    a_rival_that_commits_meanwhile_is_an_exact_conflict,
    a_repeat_that_meets_its_first_attempt_is_answered_with_it,
    events_of_a_batch_are_in_the_order_of_the_batch,
    whatever_writers_do_a_tail_sees_exactly_what_was_committed,
]
LOCK, APPEND = statement("event_store", "lock_shard"), statement("event_store", "append")


def without_lock() -> dict[str, str]:
    return {"lock_shard": "SELECT %(log_shard)s::integer", "append": APPEND}


def with_the_lock_inside_the_insert() -> dict[str, str]:
    lock = LOCK[LOCK.index("SELECT") :]
    inside = APPEND.replace(
        "WITH command AS MATERIALIZED", f"WITH locked AS MATERIALIZED ({lock}),\ncommand AS MATERIALIZED"
    )
    inside = inside.replace("  FROM command\n", "  FROM locked CROSS JOIN command\n")
    return {"lock_shard": "SELECT %(log_shard)s::integer", "append": inside}


def in_any_order() -> dict[str, str]:
    """What a plan may do where no order is asked for; that today's plans happen to keep it is no promise."""
    assert "ORDER BY event.ordinal" in APPEND
    return {"lock_shard": LOCK, "append": APPEND.replace("ORDER BY event.ordinal", "ORDER BY random()")}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_the_store_keeps_the_order_of_the_log(servers: Servers, scenario: Scenario) -> None:
    await scenario(servers)


@pytest.mark.parametrize(
    ("variant", "scenario"),
    [
        (without_lock, an_append_that_is_overtaken_is_not_skipped),
        (without_lock, a_rival_that_commits_meanwhile_is_an_exact_conflict),
        (without_lock, whatever_writers_do_a_tail_sees_exactly_what_was_committed),
        (with_the_lock_inside_the_insert, a_rival_that_commits_meanwhile_is_an_exact_conflict),
        (with_the_lock_inside_the_insert, a_repeat_that_meets_its_first_attempt_is_answered_with_it),
        (in_any_order, events_of_a_batch_are_in_the_order_of_the_batch),
    ],
    ids=lambda each: each.__name__,
)
async def test_a_statement_that_is_nearly_the_stores_own_does_not_pass(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, variant: Callable[[], dict[str, str]], scenario: Scenario
) -> None:
    statements = variant()
    monkeypatch.setattr(writer, "statement", lambda _room, name: statements[name])
    with pytest.raises((AssertionError, psycopg.Error)) as failure:
        await scenario(servers)
    assert "did not happen within" not in str(failure.value), "it fails by what it does, not by the test's own waiting"
