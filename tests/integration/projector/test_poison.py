"""What can never be projected stops its partition, loudly; everything before it, and every other partition, goes on."""

import uuid
from collections.abc import Callable

import pytest

from orderflow.events.v1 import event_log_pb2
from service_kit.cloudevents import Headers, headers_of
from tests.integration.projector.conftest import Logs, Settings, running
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created, shipped

_POISONED = 1


def _headers(**changes: str) -> Headers:
    order_id = str(uuid.uuid4())
    recorded = event_log_pb2.RecordedEvent(
        aggregate_type="order", aggregate_id=order_id, version=1, event_type="orderflow.orders.v1.OrderCreated"
    )
    headers = dict(headers_of(recorded, traceparent="", tracestate=""))
    return list({**headers, **{name: value.encode() for name, value in changes.items()}}.items())


_POISONS: dict[str, tuple[bytes | None, Headers]] = {
    "a null value": (None, _headers()),
    "no headers": (b"", []),
    "a version that is no number": (b"", _headers(ce_aggregateversion="one")),
    "a version below 1": (
        created().SerializeToString(),
        _headers(ce_aggregateversion="0", ce_subject=created().order_id),
    ),
    "an unknown type": (b"", _headers(ce_type="orderflow.orders.v1.OrderTeleported")),
    "another kind of aggregate": (b"", _headers(ce_aggregatetype="stock_item")),
    "bytes of another type": (b"\xff\xff", _headers()),
    "an event about another order": (created().SerializeToString(), _headers()),
    "an event about nothing": (b"", _headers(ce_subject="")),
}


class _Orders:
    """Creates orders in a partition of one's choice."""

    def __init__(self, write_side: WriteSide, customer_id: str) -> None:
        self._write_side = write_side
        self._customer_id = customer_id

    def create(self, partition: int, count: int = 1) -> list[str]:
        ids = [str(uuid.uuid4()) for _ in range(count)]
        events = [created(order_id=each, customer_id=self._customer_id) for each in ids]
        self._write_side.publish(*self._write_side.record(*events), partition=partition)
        return ids


@pytest.fixture
def orders(write_side: WriteSide, customer_id: str) -> _Orders:
    return _Orders(write_side, customer_id)


@pytest.mark.parametrize("poison", _POISONS)
async def test_a_message_that_is_no_known_event_stops_its_partition_only(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, logs: Logs, orders: _Orders, poison: str
) -> None:
    topic = write_side.topics["order"]
    before = orders.create(_POISONED, 3)
    value, headers = _POISONS[poison]
    write_side.publish_raw(topic, "0000", value, headers, partition=_POISONED)
    behind = orders.create(_POISONED, 3)
    async with running(settings):
        for each in before:
            await read_side.has(each, version=1)
        entry = await logs.has("partition stopped")
        assert (entry["topic"], entry["partition"], entry["offset"]) == (topic, _POISONED, 3)
        elsewhere = [*orders.create(0), *orders.create(2)]
        behind += orders.create(_POISONED)
        for each in elsewhere:
            await read_side.has(each, version=1)
    assert logs.of("cannot be projected")
    assert await read_side.committed(topic, _POISONED) == 3
    for each in behind:
        assert await read_side.document(each) is None


async def test_after_a_new_start_a_stopped_partition_stops_at_the_same_message(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, logs: Logs, orders: _Orders
) -> None:
    topic = write_side.topics["order"]
    orders.create(_POISONED, 2)
    write_side.publish_raw(topic, "0000", b"", [], partition=_POISONED)
    orders.create(_POISONED, 2)
    for starts in (1, 2):
        async with running(settings):
            for each in orders.create(0):
                await read_side.has(each, version=1)
            await logs.has("partition stopped", times=starts)
        assert await read_side.committed(topic, _POISONED) == 2


def _gap_without_a_log(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    recorded = write_side.record(created(order_id=order_id, customer_id=customer_id), confirmed(order_id=order_id))
    write_side.forget(order_id)
    write_side.publish(recorded[1], partition=_POISONED)


def _document_that_elasticsearch_rejects(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    event = shipped(order_id=order_id)
    event.tracking_number = "x" * 40_000
    recorded = write_side.record(created(order_id=order_id, customer_id=customer_id), event)
    write_side.publish(*recorded, partition=_POISONED)


def _event_in_the_log_that_is_not_known(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    recorded = write_side.record(created(order_id=order_id, customer_id=customer_id), confirmed(order_id=order_id))
    recorded[0].event_type = "orderflow.orders.v1.OrderTeleported"
    write_side.publish(recorded[1], partition=_POISONED)


@pytest.mark.parametrize(
    "poison", [_gap_without_a_log, _document_that_elasticsearch_rejects, _event_in_the_log_that_is_not_known]
)
async def test_an_order_that_cannot_be_projected_stops_its_partition_and_no_other_order_before_or_elsewhere(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    logs: Logs,
    orders: _Orders,
    order_id: str,
    customer_id: str,
    poison: Callable[[WriteSide, str, str], None],
) -> None:
    topic = write_side.topics["order"]
    before = orders.create(_POISONED, 3)
    poison(write_side, order_id, customer_id)
    orders.create(_POISONED, 3)
    async with running(settings):
        entry = await logs.has("partition stopped")
        assert (entry["topic"], entry["partition"], entry["offset"]) == (topic, _POISONED, 3)
        for each in [*before, *orders.create(0)]:
            await read_side.has(each, version=1)
    (cause,) = logs.of("cannot be projected")
    assert cause["aggregate_id"] == order_id
    assert await read_side.committed(topic, _POISONED) == 3
    assert await read_side.document(order_id) is None


async def test_of_several_causes_in_a_batch_the_first_stops_the_partition(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    logs: Logs,
    orders: _Orders,
    order_id: str,
    customer_id: str,
) -> None:
    topic = write_side.topics["order"]
    before = orders.create(_POISONED, 3)
    _gap_without_a_log(write_side, order_id, customer_id)
    for _ in range(3):
        _gap_without_a_log(write_side, str(uuid.uuid4()), customer_id)
    write_side.publish_raw(topic, "0000", b"", [], partition=_POISONED)
    async with running(settings):
        assert (await logs.has("partition stopped"))["offset"] == 3
    assert len(logs.of("cannot be projected")) == 5
    assert await read_side.committed(topic, _POISONED) == 3
    for each in before:
        await read_side.has(each, version=1)


async def test_a_customers_event_that_is_not_known_stops_its_partition_only(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, logs: Logs, orders: _Orders, customer_id: str
) -> None:
    recorded = write_side.record_customer(customer_id, "Zoë")
    recorded.event_type = "orderflow.customers.v1.CustomerCloned"
    write_side.publish(recorded)
    async with running(settings):
        entry = await logs.has("partition stopped")
        assert entry["topic"] == write_side.topics["customer"]
        for each in orders.create(_POISONED):
            await read_side.has(each, version=1)
