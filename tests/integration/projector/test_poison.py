"""What can never be projected is quarantined; everything else, before it, after it and beside it, goes on."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import views_pb2
from read_models.orders import ORDERS
from service_kit.cloudevents import Headers, headers_of
from tests.integration.projector.conftest import Logs, Settings, running
from tests.integration.projector.quarantine_client import QUARANTINED, QuarantineClient
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created, delivered, shipped

_POISONED = 1
_ORDER = str(uuid.uuid4())


def _headers(**changes: str) -> Headers:
    recorded = event_log_pb2.RecordedEvent(
        aggregate_type="order", aggregate_id=_ORDER, version=1, event_type="orderflow.orders.v1.OrderCreated"
    )
    texts = {**dict(headers_of(recorded, traceparent="", tracestate="")), **changes}
    return [(name, str(text).encode()) for name, text in texts.items()]


_CREATED = created(order_id=_ORDER).SerializeToString()

_NAMELESS: dict[str, tuple[str | None, bytes | None, Headers]] = {
    "nothing at all": (None, None, []),
    "an empty value without headers": (_ORDER, b"", []),
    "a null key": (None, _CREATED, _headers()),
    "another key": ("0000", _CREATED, _headers()),
    "a version that is no number": (_ORDER, _CREATED, _headers(ce_aggregateversion="one")),
    "a version that no number holds": (_ORDER, _CREATED, _headers(ce_aggregateversion="9" * 30)),
    "a version below 1": (_ORDER, _CREATED, _headers(ce_aggregateversion="0")),
    "another kind of aggregate": (_ORDER, b"", _headers(ce_aggregatetype="stock_item")),
    "an id that is none": ("1", b"", _headers(ce_subject="1")),
}

_NAMED: dict[str, tuple[bytes | None, Headers]] = {
    "a null value": (None, _headers()),
    "an empty value": (b"", _headers()),
    "an unknown type": (b"", _headers(ce_type="orderflow.orders.v1.OrderTeleported")),
    "bytes of another type": (b"\xff\xff", _headers()),
    "an event about another order": (created(order_id=str(uuid.uuid4())).SerializeToString(), _headers()),
    "no position": (_CREATED, _headers(ce_position="")),
}


class _Orders:
    """Creates orders in a partition of one's choice."""

    def __init__(self, write_side: WriteSide, customer_id: str) -> None:
        self._write_side = write_side
        self._customer_id = customer_id

    def create(self, partition: int = _POISONED, count: int = 3) -> list[str]:
        ids = [str(uuid.uuid4()) for _ in range(count)]
        events = [created(order_id=each, customer_id=self._customer_id) for each in ids]
        self._write_side.publish(*self._write_side.record(*events), partition=partition)
        return ids


@pytest.fixture
def orders(write_side: WriteSide, customer_id: str) -> _Orders:
    return _Orders(write_side, customer_id)


@pytest.mark.parametrize("poison", _NAMELESS)
async def test_a_message_that_names_no_aggregate_is_kept_under_its_place(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    orders: _Orders,
    poison: str,
) -> None:
    topic = write_side.topics["order"]
    key, value, headers = _NAMELESS[poison]
    flowing = orders.create()
    write_side.publish_raw(topic, key, value, headers, partition=_POISONED)
    flowing += orders.create()
    async with running(settings):
        for each in flowing:
            await read_side.has(each, version=1)
        await read_side.caught_up()
        (entry,) = await quarantine.entries()
        assert (entry.id, entry.topic, entry.partition, entry.offset) == (f"{topic}/1/3", topic, 1, 3)
        assert (entry.aggregate_type, entry.aggregate_id, entry.version) == ("", "", 0)
        assert (entry.state, entry.cause.partition(":")[0]) == (QUARANTINED, "Undecodable")
        kept = (await quarantine.get(entry.id)).message
        assert [(each.name, each.value) for each in kept.headers] == headers
        assert (kept.value if kept.HasField("value") else None) == value
        assert (kept.key if kept.HasField("key") else None) == (key.encode() if key is not None else None)
        assert await quarantine.replay(entry.id) == entry
    assert await read_side.committed(topic, _POISONED) == 7


@pytest.mark.parametrize("poison", _NAMED)
async def test_a_message_that_names_an_order_and_is_no_event_of_it_quarantines_the_order(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    orders: _Orders,
    poison: str,
) -> None:
    topic = write_side.topics["order"]
    value, headers = _NAMED[poison]
    flowing = orders.create()
    write_side.publish_raw(topic, _ORDER, value, headers, partition=_POISONED)
    flowing += orders.create()
    async with running(settings):
        for each in flowing:
            await read_side.has(each, version=1)
        await read_side.caught_up()
        (entry,) = await quarantine.entries()
        assert (entry.id, entry.aggregate_type, entry.aggregate_id) == (f"order/{_ORDER}", "order", _ORDER)
        assert (entry.version, entry.topic, entry.partition, entry.offset) == (1, topic, 1, 3)
        assert (entry.state, entry.cause.partition(":")[0]) == (QUARANTINED, "Undecodable")
        assert entry.event_type == dict(headers)["ce_type"].decode()  # type: ignore[union-attr]
    assert await read_side.committed(topic, _POISONED) == 7
    assert await read_side.document(_ORDER) is None


async def test_a_messages_bytes_are_shown_decoded_where_they_are_what_they_say(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient
) -> None:
    topic = write_side.topics["order"]
    write_side.publish_raw(topic, "0000", _CREATED, _headers(), partition=_POISONED)
    write_side.publish_raw(topic, _ORDER, b"\xff\xff", _headers(), partition=_POISONED)
    async with running(settings):
        await read_side.caught_up()
        assert _ORDER in (await quarantine.get(f"{topic}/1/0")).event_json
        shown = await quarantine.get(f"order/{_ORDER}")
        assert (shown.event_json, shown.message.value) == ("", b"\xff\xff")


def _version_that_the_log_has_lost(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id),
        confirmed(order_id=order_id),
        shipped(order_id=order_id),
        delivered(order_id=order_id),
    )
    write_side.lose(order_id, 3)
    write_side.publish(recorded[0], recorded[3], partition=_POISONED)


def _version_far_ahead(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id), confirmed(order_id=order_id), shipped(order_id=order_id)
    )
    recorded[2].version = 10**17
    write_side.publish(*recorded, partition=_POISONED)


def _document_that_elasticsearch_rejects(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    event = shipped(order_id=order_id)
    event.tracking_number = "x" * 40_000
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id),
        confirmed(order_id=order_id),
        event,
        delivered(order_id=order_id),
    )
    write_side.publish(*recorded, partition=_POISONED)


def _event_of_which_no_document_can_be_made(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    event = shipped(order_id=order_id)
    event.ship_time.seconds = 10**15
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id), confirmed(order_id=order_id), event
    )
    write_side.publish(*recorded, partition=_POISONED)


def _event_in_the_log_that_is_not_known(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id),
        confirmed(order_id=order_id),
        shipped(order_id=order_id),
        delivered(order_id=order_id),
    )
    recorded[2].event_type = "orderflow.orders.v1.OrderTeleported"
    write_side.publish(recorded[0], recorded[3], partition=_POISONED)


def _event_whose_fold_fails(write_side: WriteSide, order_id: str, customer_id: str) -> None:
    event = shipped(order_id=order_id)
    event.tracking_number = "BROKEN"
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id),
        confirmed(order_id=order_id),
        event,
        delivered(order_id=order_id),
    )
    write_side.publish(*recorded, partition=_POISONED)


def _broken(view: views_pb2.OrderView | None, event: object, version: int) -> views_pb2.OrderView:
    """A fold that has a defect."""
    if getattr(event, "tracking_number", "") == "BROKEN":
        raise ZeroDivisionError
    return ORDERS.evolve(view, event, version)


_WITH_A_DEFECT = [replace(ORDERS, evolve=_broken)]


@pytest.mark.parametrize(
    ("poison", "cause"),
    [
        (_version_that_the_log_has_lost, "EventsMissing"),
        (_version_far_ahead, "EventsMissing"),
        (_document_that_elasticsearch_rejects, "DocumentRejected"),
        (_event_of_which_no_document_can_be_made, "DocumentRejected"),
        (_event_in_the_log_that_is_not_known, "Undecodable"),
        (_event_whose_fold_fails, "Unfoldable"),
    ],
)
async def test_an_order_that_cannot_be_projected_further_is_quarantined_at_that_version_and_no_other_order(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    orders: _Orders,
    order_id: str,
    customer_id: str,
    poison: Callable[[WriteSide, str, str], None],
    cause: str,
) -> None:
    flowing = orders.create()
    poison(write_side, order_id, customer_id)
    flowing += orders.create()
    async with running(settings, _WITH_A_DEFECT):
        for each in flowing:
            await read_side.has(each, version=1)
        await read_side.caught_up()
        (entry,) = await quarantine.entries()
        assert (entry.id, entry.version, entry.cause.partition(":")[0]) == (f"order/{order_id}", 3, cause)
        await read_side.has(order_id, version=2, status="CONFIRMED")


async def test_later_events_of_a_quarantined_order_pass_by_and_the_first_failure_stays(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    logs: Logs,
    orders: _Orders,
    order_id: str,
    customer_id: str,
) -> None:
    _event_whose_fold_fails(write_side, order_id, customer_id)
    for starts in (1, 2, 3):
        async with running(settings, _WITH_A_DEFECT):
            entry = await quarantine.has(f"order/{order_id}", version=3)
            before = await read_side.document(order_id)
            write_side.publish(*write_side.record(delivered(order_id=order_id)), partition=_POISONED)
            for each in orders.create():
                await read_side.has(each, version=1)
            await read_side.caught_up()
            assert await quarantine.entries() == [entry]
            assert await read_side.document(order_id) == before
        assert len(logs.of("cannot be projected")) == 1, starts


async def test_a_customers_event_that_is_not_known_quarantines_the_customer_only(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    order_id: str,
    customer_id: str,
) -> None:
    other = str(uuid.uuid4())
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=other)))
    async with running(settings):
        await read_side.has(order_id, version=1)
        recorded = write_side.record_customer(customer_id, "Zoë")
        known, recorded.event_type = recorded.event_type, "orderflow.customers.v1.CustomerCloned"
        write_side.publish(recorded, partition=0)
        write_side.publish(write_side.record_customer(other, "Ada"), partition=0)
        await read_side.has(order_id, customer_version=1)
        entry = await quarantine.has(f"customer/{customer_id}", version=1)
        assert await quarantine.entries() == [entry]
        recorded.event_type = known
        assert await quarantine.replay(entry.id) is None
        assert await quarantine.entries() == []
