"""What is measured of how far readers are behind, and that it is told to operators."""

import time
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from orderflow.admin.v1 import projection_admin_service_pb2, projection_admin_service_pb2_grpc
from projector import freshness
from service_kit.grpc_channel import open_channel
from tests.integration.projector.conftest import Logs, Settings, running
from tests.integration.projector.metrics import Metrics
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import SHARDS, WriteSide
from tests.support.eventually import eventually
from tests.unit.read_models.builders import created

_PREFIX = "orderflow.projection."


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metrics]:
    monkeypatch.setattr(freshness, "_READ_SECONDS", 0.1)
    metrics = Metrics(monkeypatch)
    yield metrics
    metrics.close()


@pytest.fixture
async def projector(settings: Settings, read_side: ReadSide, metrics: Metrics, logs: Logs) -> AsyncIterator[None]:  # noqa: ARG001
    """A running projector, measured."""
    async with running({**settings, "probe_interval_seconds": 0.05}):
        await read_side.exists()
        yield


async def _has(metrics: Metrics, **values: float) -> None:
    """Returns when the gauges have these values."""

    async def they_have() -> bool:
        assert {name: metrics.value(_PREFIX + name.replace("__", ".")) for name in values} == values
        return True

    await eventually(they_have, what=f"gauges of {values}")


async def _status(settings: Settings) -> projection_admin_service_pb2.ProjectionStatus:
    async with open_channel(settings["grpc_listen_address"]) as channel:
        service = projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(channel)
        response = await service.ListProjections(projection_admin_service_pb2.ListProjectionsRequest())
    (status,) = response.projections
    return status


def _orders(count: int, last_digit: str = "0") -> list[str]:
    """Ids of orders of one shard."""
    return [str(uuid.uuid4())[:-1] + last_digit for _ in range(count)]


@pytest.mark.usefixtures("projector")
async def test_the_lag_and_the_distance_to_the_head_grow_while_nothing_can_be_written_and_go_away(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, metrics: Metrics
) -> None:
    write_side.publish(*write_side.record(*(created(order_id=each) for each in _orders(2))))
    await read_side.caught_up()
    await _has(metrics, lag__events=0, lag__age=0, log__distance=0)
    await read_side.block_writes(blocked=True)
    write_side.publish(*write_side.record(*(created(order_id=each) for each in _orders(4))))
    await _has(metrics, lag__events=4, log__distance=4)
    age = metrics.value(_PREFIX + "lag.age")
    assert age
    assert age > 0
    status = await _status(settings)
    assert (status.lag_events, status.unindexed_positions) == (4, 4)
    await read_side.block_writes(blocked=False)
    await _has(metrics, lag__events=0, lag__age=0, log__distance=0)


@pytest.mark.usefixtures("projector")
async def test_what_is_not_published_counts_for_the_distance_though_there_is_no_lag(
    settings: Settings, write_side: WriteSide, metrics: Metrics
) -> None:
    write_side.publish(*write_side.record(created(order_id=_orders(1)[0])))
    await _has(metrics, lag__events=0, log__distance=0)
    late = write_side.record(*(created(order_id=each) for each in _orders(3)))
    await _has(metrics, lag__events=0, log__distance=3)
    assert (await _status(settings)).unindexed_positions == 3
    write_side.publish(*late)
    await _has(metrics, lag__events=0, log__distance=0)


@pytest.mark.usefixtures("projector")
async def test_without_the_event_log_the_distance_is_not_told_and_the_rest_is(
    settings: Settings, write_side: WriteSide, metrics: Metrics
) -> None:
    await _has(metrics, lag__events=0, log__distance=0)
    await write_side.stop()

    async def untold() -> bool:
        return metrics.value(_PREFIX + "log.distance") is None

    await eventually(untold, what="no distance")
    assert metrics.value(_PREFIX + "lag.events") == 0
    status = await _status(settings)
    assert not status.HasField("unindexed_positions")
    assert status.HasField("heartbeat_time")


@pytest.mark.usefixtures("projector")
async def test_a_reading_that_is_too_old_is_not_told(
    write_side: WriteSide,  # noqa: ARG001
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _has(metrics, lag__events=0)

    async def beats() -> bool:
        return metrics.value(_PREFIX + "heartbeat.age") is not None

    await eventually(beats, what="a heartbeat")
    monkeypatch.setattr(freshness, "_VALID_SECONDS", 0.0)
    for name in ("lag.events", "lag.age", "log.distance", "quarantined"):
        assert metrics.value(_PREFIX + name) is None
    assert metrics.value(_PREFIX + "heartbeat.age") is not None


@pytest.mark.usefixtures("projector")
async def test_the_quarantine_is_counted(settings: Settings, write_side: WriteSide, metrics: Metrics) -> None:
    await _has(metrics, quarantined=0)
    order_id = str(uuid.uuid4())
    (unreadable,) = write_side.record(created(order_id=order_id))
    unreadable.event_type = "orderflow.orders.v1.Unheard"
    write_side.publish(unreadable)
    await _has(metrics, quarantined=1)
    assert (await _status(settings)).quarantined_count == 1


@pytest.mark.usefixtures("projector")
async def test_the_heartbeat_goes_on_while_there_is_nothing_to_do_and_stalls_with_the_loop(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, metrics: Metrics
) -> None:
    async def beats() -> bool:
        age = metrics.value(_PREFIX + "heartbeat.age")
        return age is not None and age < 0.5

    await _has(metrics, lag__events=0)
    await eventually(beats, what="a heartbeat")
    begin = time.time()

    async def told() -> bool:
        return (await _status(settings)).heartbeat_time.ToNanoseconds() > begin * 1e9

    await eventually(told, what="a heartbeat's time")
    await read_side.block_writes(blocked=True)
    write_side.publish(*write_side.record(created(order_id=str(uuid.uuid4()))))

    async def stalls() -> bool:
        age = metrics.value(_PREFIX + "heartbeat.age")
        return age is not None and age > 2

    await eventually(stalls, what="a heartbeat that stalls")
    stalled = (await _status(settings)).heartbeat_time.ToNanoseconds()
    await read_side.block_writes(blocked=False)
    await eventually(beats, what="a heartbeat again")
    assert (await _status(settings)).heartbeat_time.ToNanoseconds() > stalled


@pytest.mark.usefixtures("projector")
async def test_the_time_from_commit_to_searchable_ends_when_a_search_finds_the_event(
    write_side: WriteSide, read_side: ReadSide, metrics: Metrics
) -> None:
    name = _PREFIX + "searchable.delay"
    await read_side.elasticsearch.indices.put_settings(index=read_side.index, settings={"refresh_interval": "-1"})

    async def followed() -> bool:
        return len(write_side.followed) == SHARDS

    await eventually(followed, what="a probe")
    (event,) = write_side.record(created(order_id=str(uuid.uuid4())))
    event.record_time.GetCurrentTime()
    write_side.publish(event)
    await read_side.caught_up()
    assert await read_side.document(event.aggregate_id)
    refreshed = time.time()
    await read_side.elasticsearch.indices.refresh(index=read_side.index)

    async def measured() -> bool:
        return metrics.histogram(name) is not None

    await eventually(measured, what="a measurement")
    point = metrics.histogram(name)
    assert point
    committed = event.record_time.ToNanoseconds() / 1e9
    assert point.count == 1
    assert refreshed - committed <= point.sum <= time.time() - committed
    assert metrics.unit(name) == "s"
