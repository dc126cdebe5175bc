"""EventLogService: every event once, in chunks that a client can take, from any position on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from command_service.event_store import servicer
from command_service.event_store.port import Append, NewEvent
from command_service.event_store.servicer import EventLogServicer
from orderflow.events.v1 import event_log_pb2 as pb
from service_kit.errors import InvalidArgument
from tests.support.memory_event_store import MemoryEventStore

CLIENTS_LIMIT = 4 * 1024 * 1024
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER, CUSTOMER, NOBODY = UUID(int=1), UUID(int=2), UUID(int=9)


class Log:
    """A log, and what the service answers of it."""

    def __init__(self) -> None:
        self.times = iter(NOW + timedelta(hours=hour) for hour in range(10_000))
        self.store = MemoryEventStore(clock=lambda: next(self.times), chunk=1000)
        self.versions = {ORDER: 0, CUSTOMER: 0}

    async def append(self, aggregate_id: UUID = ORDER, events: int = 1, size: int = 10) -> None:
        """Appends events of one command."""
        kind = "order" if aggregate_id == ORDER else "customer"
        made = [NewEvent("Event", b"x" * size)] * events
        await self.store.append(Append(kind, aggregate_id, self.versions[aggregate_id], made, b"", None, b""))
        self.versions[aggregate_id] += events

    def follow(self, **request: Any) -> AsyncIterator[pb.ReadLogResponse]:
        """Reads the log."""
        service = EventLogServicer(self.store, shard_count=1)
        return service.ReadLog(pb.ReadLogRequest(**request), cast("Any", None))

    async def read(self, **request: Any) -> list[pb.ReadLogResponse]:
        """Reads the log to its end."""
        return [each async for each in self.follow(**request)]

    async def aggregate(self, **request: Any) -> list[pb.ReadAggregateResponse]:
        """Reads an aggregate."""
        fields = {"aggregate_type": "order", "aggregate_id": str(ORDER), **request}
        service = EventLogServicer(self.store, shard_count=1)
        return [each async for each in service.ReadAggregate(pb.ReadAggregateRequest(**fields), cast("Any", None))]


@pytest.fixture
def log() -> Log:
    return Log()


def positions(chunks: list[pb.ReadLogResponse]) -> list[int]:
    return [event.position for chunk in chunks for event in chunk.events]


def versions(chunks: list[pb.ReadAggregateResponse]) -> list[int]:
    return [event.version for chunk in chunks for event in chunk.events]


async def test_an_empty_log_is_one_empty_chunk_at_its_end(log: Log) -> None:
    assert await log.read() == [pb.ReadLogResponse(caught_up=True)]


async def test_every_event_comes_once_in_order_and_the_last_chunk_says_that_it_is_the_end(log: Log) -> None:
    await log.append(events=1200)
    chunks = await log.read()
    assert positions(chunks) == [*range(1, 1201)]
    assert [each.caught_up for each in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].position == 1200


async def test_a_reader_continues_after_any_chunk(log: Log) -> None:
    await log.append(events=10, size=500_000)
    await log.append(events=700)
    chunks = await log.read()
    for index, chunk in enumerate(chunks):
        rest = await log.read(after_position=chunk.position)
        assert positions(rest) == positions(chunks[index + 1 :])


async def test_no_chunk_is_larger_than_a_client_takes_by_default(log: Log) -> None:
    for _ in range(20):
        await log.append(size=900_000)
    chunks = await log.read()
    assert positions(chunks) == [*range(1, 21)]
    assert max(chunk.ByteSize() for chunk in chunks) < CLIENTS_LIMIT
    of_aggregate = await log.aggregate()
    assert versions(of_aggregate) == [*range(1, 21)]
    assert max(chunk.ByteSize() for chunk in of_aggregate) < CLIENTS_LIMIT


async def test_a_reader_of_some_types_gets_only_those_and_is_told_how_far_it_has_read(log: Log) -> None:
    await log.append(ORDER)
    await log.append(CUSTOMER)
    await log.append(ORDER, events=600)
    chunks = await log.read(aggregate_types=["customer"])
    assert positions(chunks) == [2]
    assert (chunks[-1].position, chunks[-1].caught_up) == (602, True)


async def test_a_shard_that_the_log_does_not_have_is_refused(log: Log) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await log.read(log_shard=1)
    assert [each.field for each in refusal.value.violations] == ["log_shard"]


async def test_a_follower_gets_new_events_as_they_come(log: Log) -> None:
    await log.append()
    following = log.follow(follow=True)
    assert positions([await anext(following)]) == [1]
    assert (await anext(following)).caught_up
    await log.append(events=2)
    assert positions([await asyncio.wait_for(anext(following), 1)]) == [2, 3]


async def test_a_reader_who_starts_beyond_the_end_gets_nothing_of_what_comes_up_to_there(log: Log) -> None:
    await log.append()
    assert await log.read(after_position=3) == [pb.ReadLogResponse(position=3, caught_up=True)]
    following = log.follow(after_position=3, follow=True)
    await anext(following)
    await log.append(events=4)
    assert positions([await asyncio.wait_for(anext(following), 1)]) == [4, 5]


async def test_a_follower_hears_now_and_again_that_nothing_happens(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicer, "_HEARTBEAT_SECONDS", 0.01)
    following = log.follow(follow=True)
    chunks = [await asyncio.wait_for(anext(following), 1) for _ in range(3)]
    assert chunks == [pb.ReadLogResponse(caught_up=True)] * 3


async def test_a_follower_of_some_types_hears_how_far_it_has_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicer, "_HEARTBEAT_SECONDS", 0.01)
    following = log.follow(follow=True, aggregate_types=["customer"])
    await anext(following)
    await log.append(ORDER, events=3)

    async def told() -> int:
        return (await anext(following)).position

    while await asyncio.wait_for(told(), 1) != 3:
        pass


async def test_an_aggregate_is_read_between_its_bounds(log: Log) -> None:
    for _ in range(4):
        await log.append()
    third = log.store.log[2].record_time
    assert versions(await log.aggregate()) == [1, 2, 3, 4]
    assert versions(await log.aggregate(after_version=2)) == [3, 4]
    assert versions(await log.aggregate(after_version=1, to_version=3)) == [2, 3]
    assert versions(await log.aggregate(to_time=third)) == [1, 2, 3]
    assert versions(await log.aggregate(aggregate_id=str(ORDER).upper())) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "request_",
    [
        {"aggregate_id": str(NOBODY)},
        {"aggregate_type": "customer"},
        {"after_version": 1},
        {"to_time": {"seconds": 0}},
    ],
    ids=["unknown", "of another kind", "none after", "none before"],
)
async def test_an_aggregate_without_events_in_the_range_is_one_empty_chunk(log: Log, request_: dict[str, Any]) -> None:
    await log.append()
    assert await log.aggregate(**request_) == [pb.ReadAggregateResponse()]
