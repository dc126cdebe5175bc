"""What every event store promises, by its port; the same suite runs over each adapter."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest

from command_service.event_store.database import Database
from command_service.event_store.port import (
    MAX_EVENT_BYTES,
    Appended,
    Conflict,
    EventStore,
    History,
    Loaded,
    NewEvent,
    Remembered,
    Snapshot,
)
from command_service.event_store.postgres import PostgresEventStore
from command_service.personal_data.sealed_event_store import SealedEventStore
from orderflow.events.v1.event_log_pb2 import EventMetadata
from tests.integration.command_service.appends import append_of, data, key, new_events, versions
from tests.integration.command_service.sealed import keys_of
from tests.support.memory_event_store import MemoryEventStore

ID: TypeAlias = uuid.UUID


@pytest.fixture(params=["memory", "postgresql", "sealed"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    if request.param == "memory":
        yield MemoryEventStore()
        return
    url = request.getfixturevalue("write_database").service_url
    async with Database(url, max_connections=5) as database, PostgresEventStore(database, 1, max_waiting=1000) as store:
        yield SealedEventStore(store, keys_of(database)) if request.param == "sealed" else store


@pytest.fixture
def aggregate_id() -> ID:
    return uuid.uuid4()


async def history_of(store: EventStore, aggregate_id: ID) -> History:
    return (await store.load(aggregate_id, None)).history


async def read(store: EventStore, aggregate_id: ID, **bounds: int | datetime) -> list[int]:
    """The versions that a bounded read answers."""
    return [each.version async for chunk in store.read_aggregate(aggregate_id, **bounds) for each in chunk]  # type: ignore[arg-type]


# Append.


async def test_the_versions_of_an_aggregate_are_1_to_n(store: EventStore, aggregate_id: ID) -> None:
    assert await store.append(append_of(aggregate_id, 0, events=2)) == Appended()
    assert await store.append(append_of(aggregate_id, 2)) == Appended()
    assert await store.append(append_of(aggregate_id, 3, events=3)) == Appended()
    assert versions(await history_of(store, aggregate_id)) == [1, 2, 3, 4, 5, 6]


async def test_an_event_is_kept_as_it_was_given(store: EventStore, aggregate_id: ID) -> None:
    metadata = EventMetadata(traceparent="00-1", tracestate="v=1", principal="ada", request_id="r", command_type="C")
    event = NewEvent("orderflow.orders.v1.OrderCreated", bytes(range(256)))
    before = datetime.now(UTC)
    await store.append(append_of(aggregate_id, events=[event], metadata=metadata.SerializeToString()))
    [recorded] = await history_of(store, aggregate_id)
    assert (recorded.event_type, recorded.event_data) == (event.event_type, event.event_data)
    assert recorded.metadata == metadata
    assert (recorded.aggregate_type, recorded.aggregate_id) == ("order", str(aggregate_id))
    assert (recorded.log_shard, recorded.version) == (0, 1)
    assert recorded.position > 0
    assert abs(recorded.record_time.ToDatetime(tzinfo=UTC) - before) < timedelta(seconds=30)


async def test_an_event_without_fields_is_kept_as_empty_bytes(store: EventStore, aggregate_id: ID) -> None:
    await store.append(append_of(aggregate_id, events=[NewEvent("Empty", b"")]))
    assert data(await history_of(store, aggregate_id)) == [b""]


@pytest.mark.parametrize("expected", [0, 1, 3, 99])
async def test_another_version_than_the_expected_one_is_a_conflict_that_tells_it_and_stores_nothing(
    store: EventStore, aggregate_id: ID, expected: int
) -> None:
    await store.append(append_of(aggregate_id, 0, events=2))
    kept = await history_of(store, aggregate_id)
    refused = append_of(aggregate_id, expected, events=2, request="r-1")
    assert await store.append(refused) == Conflict(2)
    assert await history_of(store, aggregate_id) == kept
    assert await store.load(aggregate_id, refused.request) == Loaded(None, kept, None)


async def test_a_conflict_on_what_does_not_exist_tells_version_0(store: EventStore, aggregate_id: ID) -> None:
    assert await store.append(append_of(aggregate_id, 1)) == Conflict(0)


async def test_aggregates_do_not_touch_each_other(store: EventStore) -> None:
    ids = [uuid.uuid4() for _ in range(3)]
    for each in ids:
        assert await store.append(append_of(each)) == Appended()
    assert [versions(await history_of(store, each)) for each in ids] == [[1], [1], [1]]


async def test_kinds_of_aggregate_share_their_ids(store: EventStore, aggregate_id: ID) -> None:
    await store.append(append_of(aggregate_id, aggregate_type="customer"))
    assert await store.append(append_of(aggregate_id, aggregate_type="order")) == Conflict(1)


async def test_the_time_of_an_event_is_never_before_the_aggregates_event_before(
    store: EventStore, aggregate_id: ID
) -> None:
    for version in range(10):
        await store.append(append_of(aggregate_id, version))
    times = [each.record_time.ToDatetime() for each in await history_of(store, aggregate_id)]
    assert times == sorted(times)


async def test_an_append_of_nothing_is_refused(store: EventStore, aggregate_id: ID) -> None:
    with pytest.raises(ValueError, match="nothing to store"):
        await store.append(append_of(aggregate_id, events=0))
    assert await history_of(store, aggregate_id) == []


async def test_the_largest_event_is_stored_and_a_larger_one_refused_with_all_of_its_command(
    store: EventStore, aggregate_id: ID
) -> None:
    largest, larger = NewEvent("Event", b"x" * MAX_EVENT_BYTES), NewEvent("Event", b"x" * (MAX_EVENT_BYTES + 1))
    assert await store.append(append_of(aggregate_id, events=[largest])) == Appended()
    with pytest.raises(ValueError, match="900000 bytes"):
        await store.append(append_of(aggregate_id, 1, events=[*new_events(), larger]))
    assert len(await history_of(store, aggregate_id)) == 1


async def test_of_many_appends_at_once_on_one_version_exactly_one_is_accepted(
    store: EventStore, aggregate_id: ID
) -> None:
    rivals = [append_of(aggregate_id, 0, events=3) for _ in range(20)]
    outcomes = await asyncio.gather(*map(store.append, rivals))
    assert sorted(outcomes, key=str) == [Appended(), *[Conflict(3)] * 19]
    winner = rivals[outcomes.index(Appended())]
    assert data(await history_of(store, aggregate_id)) == [each.event_data for each in winner.events]


async def test_appends_to_many_aggregates_at_once_are_all_stored(store: EventStore) -> None:
    appends = [append_of(uuid.uuid4(), events=2) for _ in range(300)]
    assert set(await asyncio.gather(*map(store.append, appends))) == {Appended()}
    log, _ = await store.read_log(0, 0)
    assert sorted(data(log)) == sorted(event.event_data for each in appends for event in each.events)


# Remembered answers.


async def test_a_repeat_is_answered_with_what_was_remembered_and_stores_nothing(
    store: EventStore, aggregate_id: ID
) -> None:
    first = append_of(aggregate_id, request=key("r-1", digest=b"first"), response=b"first answer")
    repeat = append_of(aggregate_id, 1, request=key("r-1", digest=b"other"), response=b"another answer")
    assert await store.append(first) == Appended()
    for again in (first, repeat):
        assert await store.append(again) == Remembered(b"first", "contract", b"first answer")
    loaded = await store.load(aggregate_id, repeat.request)
    assert versions(loaded.history) == [1]
    assert loaded.remembered == Remembered(b"first", "contract", b"first answer")


async def test_an_empty_answer_is_remembered_too(store: EventStore, aggregate_id: ID) -> None:
    append = append_of(aggregate_id, request="r-1", response=b"")
    await store.append(append)
    assert await store.append(append) == Remembered(b"digest", "contract", b"")


async def test_a_request_id_is_remembered_over_aggregates_and_before_versions(store: EventStore) -> None:
    await store.append(append_of(uuid.uuid4(), request="r-1"))
    other = append_of(uuid.uuid4(), 7, request="r-1")
    assert isinstance(await store.append(other), Remembered)
    assert isinstance((await store.load(other.aggregate_id, other.request)).remembered, Remembered)


async def test_principals_do_not_share_request_ids(store: EventStore, aggregate_id: ID) -> None:
    await store.append(append_of(aggregate_id, 0, request=key("r-1", principal="ada")))
    assert await store.append(append_of(aggregate_id, 1, request=key("r-1", principal="bob"))) == Appended()


async def test_an_answer_without_events_is_remembered(store: EventStore, aggregate_id: ID) -> None:
    await store.append(append_of(aggregate_id))
    unchanged = append_of(aggregate_id, 1, events=0, request="r-1", response=b"as it is")
    assert await store.append(unchanged) == Appended()
    assert await store.append(unchanged) == Remembered(b"digest", "contract", b"as it is")
    assert versions(await history_of(store, aggregate_id)) == [1]


async def test_an_answer_without_events_is_no_answer_where_the_version_has_moved(
    store: EventStore, aggregate_id: ID
) -> None:
    await store.append(append_of(aggregate_id))
    unchanged = append_of(aggregate_id, 0, events=0, request="r-1")
    assert await store.append(unchanged) == Conflict(1)
    kept = await history_of(store, aggregate_id)
    assert await store.load(aggregate_id, unchanged.request) == Loaded(None, kept, None)


async def test_one_request_many_times_at_once_has_one_effect_and_equal_answers(
    store: EventStore, aggregate_id: ID
) -> None:
    attempts = [append_of(aggregate_id, 0, request="r-1", response=f"answer {n}".encode()) for n in range(10)]
    outcomes = await asyncio.gather(*map(store.append, attempts))
    accepted = outcomes.index(Appended())
    others = [each for index, each in enumerate(outcomes) if index != accepted]
    assert others == [Remembered(b"digest", "contract", attempts[accepted].response)] * 9
    assert versions(await history_of(store, aggregate_id)) == [1]


async def test_nothing_is_remembered_of_a_request_that_was_never_made(store: EventStore, aggregate_id: ID) -> None:
    assert await store.load(aggregate_id, key("r-1")) == Loaded(None, [], None)


# Snapshots.


async def test_a_load_starts_from_the_snapshot_of_its_fold_and_brings_only_what_came_after(
    store: EventStore, aggregate_id: ID
) -> None:
    await store.append(append_of(aggregate_id, events=5))
    snapshot = Snapshot("fold", 3, b"state")
    await store.keep_snapshot(aggregate_id, snapshot)
    history = await history_of(store, aggregate_id)
    assert versions(history) == [1, 2, 3, 4, 5], "who asks for no fold gets every event"
    assert await store.load(aggregate_id, None, fold="fold") == Loaded(snapshot, history[3:], None)
    assert await store.load(aggregate_id, None, fold="another fold") == Loaded(None, history, None)
    assert await store.load(uuid.uuid4(), None, fold="fold") == Loaded(None, [], None)


async def test_a_snapshot_of_everything_leaves_no_event_to_bring(store: EventStore, aggregate_id: ID) -> None:
    append = append_of(aggregate_id, events=2, request="r-1")
    await store.append(append)
    snapshot = Snapshot("fold", 2, b"")
    await store.keep_snapshot(aggregate_id, snapshot)
    remembered = Remembered(b"digest", "contract", b"answer")
    assert await store.load(aggregate_id, append.request, fold="fold") == Loaded(snapshot, [], remembered)


async def test_only_a_newer_snapshot_or_that_of_another_fold_replaces_one(store: EventStore, aggregate_id: ID) -> None:
    await store.append(append_of(aggregate_id, events=5))

    async def kept_after(snapshot: Snapshot) -> Snapshot | None:
        await store.keep_snapshot(aggregate_id, snapshot)
        return (await store.load(aggregate_id, None, fold=snapshot.fold)).snapshot

    newer, older, other = Snapshot("fold", 4, b"newer"), Snapshot("fold", 3, b"older"), Snapshot("other", 2, b"other")
    assert await kept_after(newer) == newer
    assert await kept_after(older) == newer
    assert await kept_after(other) == other
    assert (await store.load(aggregate_id, None, fold="fold")).snapshot is None


# Reads.


async def test_several_aggregates_are_loaded_without_those_that_have_no_events(store: EventStore) -> None:
    one, two, nobody = (uuid.uuid4() for _ in range(3))
    await store.append(append_of(one, events=2))
    await store.append(append_of(two))
    await store.append(append_of(one, 2))
    loaded = await store.load_many([two, nobody, one, two])
    assert {each: versions(history) for each, history in loaded.items()} == {one: [1, 2, 3], two: [1]}
    assert loaded[one] == await history_of(store, one)
    assert await store.load_many([]) == {}


async def test_an_aggregate_is_read_between_versions(store: EventStore, aggregate_id: ID) -> None:
    await store.append(append_of(aggregate_id, events=5))
    assert await read(store, aggregate_id) == [1, 2, 3, 4, 5]
    assert await read(store, aggregate_id, after_version=3) == [4, 5]
    assert await read(store, aggregate_id, to_version=2) == [1, 2]
    assert await read(store, aggregate_id, after_version=1, to_version=3) == [2, 3]
    assert await read(store, aggregate_id, after_version=3, to_version=3) == []
    assert await read(store, aggregate_id, after_version=5) == []
    assert await read(store, aggregate_id, to_version=99) == [1, 2, 3, 4, 5]
    assert await read(store, uuid.uuid4()) == []


async def test_an_aggregate_is_read_up_to_a_time_and_what_happened_then_is_within(
    store: EventStore, aggregate_id: ID
) -> None:
    for version in range(3):
        await store.append(append_of(aggregate_id, version))
        await asyncio.sleep(0.002)
    times = [each.record_time.ToDatetime(tzinfo=UTC) for each in await history_of(store, aggregate_id)]
    moment = timedelta(microseconds=1)
    assert await read(store, aggregate_id, to_time=times[1]) == [1, 2]
    assert await read(store, aggregate_id, to_time=times[1] - moment) == [1]
    assert await read(store, aggregate_id, to_time=times[0] - moment) == []
    assert await read(store, aggregate_id, after_version=1, to_time=times[2]) == [2, 3]
    assert await read(store, aggregate_id, to_time=datetime.min.replace(tzinfo=UTC)) == []
    assert await read(store, aggregate_id, to_time=datetime.max.replace(tzinfo=UTC)) == [1, 2, 3]


async def test_a_long_aggregate_is_read_in_chunks_without_gap_or_repeat(store: EventStore, aggregate_id: ID) -> None:
    for version in range(0, 2500, 500):
        await store.append(append_of(aggregate_id, version, events=500))
    chunks = [versions(chunk) async for chunk in store.read_aggregate(aggregate_id, after_version=100)]
    assert all(chunks)
    assert len(chunks) > 1
    assert [each for chunk in chunks for each in chunk] == [*range(101, 2501)]


async def test_the_log_is_read_in_the_order_of_commits(store: EventStore) -> None:
    appends = [append_of(uuid.uuid4(), events=count) for count in (1, 3, 2)]
    for each in appends:
        await store.append(each)
    log, position = await store.read_log(0, 0)
    assert data(log) == [event.event_data for each in appends for event in each.events]
    positions = [each.position for each in log]
    assert positions == sorted(set(positions))
    assert position == positions[-1]


async def test_a_reader_of_the_log_resumes_after_any_position(store: EventStore) -> None:
    for _ in range(7):
        await store.append(append_of(uuid.uuid4()))
    whole, _ = await store.read_log(0, 0)
    for index, event in enumerate(whole):
        rest, _ = await store.read_log(0, event.position)
        assert rest == whole[index + 1 :]


async def test_a_reader_of_the_log_in_small_steps_sees_all_of_it_once(store: EventStore) -> None:
    for _ in range(5):
        await store.append(append_of(uuid.uuid4(), events=2))
    whole, end = await store.read_log(0, 0)
    seen, position = [], 0
    while position < end:
        step, position = await store.read_log(0, position, limit=3)
        assert len(step) <= 3
        seen += step
    assert seen == whole
    assert await store.read_log(0, end) == ([], end)


async def test_a_reader_of_some_types_is_told_how_far_the_others_were_read(store: EventStore) -> None:
    await store.append(append_of(uuid.uuid4(), aggregate_type="customer"))
    await store.append(append_of(uuid.uuid4(), events=3))
    customers, position = await store.read_log(0, 0, aggregate_types=["customer"])
    whole, end = await store.read_log(0, 0)
    assert customers == whole[:1]
    assert position == end
    assert await store.read_log(0, 0, aggregate_types=["order", "customer"]) == (whole, end)


async def test_an_empty_shard_has_nothing_to_read(store: EventStore) -> None:
    assert await store.read_log(0, 0) == ([], 0)
    assert await store.read_log(0, 42) == ([], 42)
