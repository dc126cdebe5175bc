"""The table of what is open: shared by leases, and no hint is lost."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any, cast

import pytest
from confluent_kafka import Message

from command_service.event_store.database import Database
from command_service.fulfillment.hints import HintHandler
from command_service.fulfillment.open_fulfillments import Claim, Hint, OpenFulfillments
from orderflow.orders.v1 import events_pb2 as order_events
from service_kit.cloudevents import Headers, headers
from tests.support.eventually import eventually
from tests.support.orders import cancelled, created

LATER = timedelta(hours=1)


@pytest.fixture
def table(database: Database) -> OpenFulfillments:
    return OpenFulfillments(database, lease=timedelta(minutes=5))


async def claimed(table: OpenFulfillments) -> list[Claim]:
    return await table.claim(10)


async def test_what_is_claimed_is_nobody_elses_until_it_is_settled(table: OpenFulfillments) -> None:
    await table.open([Hint(uuid.uuid4()) for _ in range(8)])
    both = await asyncio.gather(table.claim(5), table.claim(5))
    assert len({claim.order_id for claims in both for claim in claims}) == sum(map(len, both)) == 8
    assert await claimed(table) == []
    for claim in both[0]:
        await table.settle(claim, "RESERVING", timedelta())
    assert {each.order_id for each in await claimed(table)} == {each.order_id for each in both[0]}


async def test_what_a_dead_process_has_claimed_is_claimed_again_when_its_lease_has_run_out(database: Database) -> None:
    table = OpenFulfillments(database, lease=timedelta(seconds=1))
    await table.open([Hint(uuid.uuid4())])
    [dead] = await claimed(table)

    async def again() -> list[Claim] | None:
        return await claimed(table) or None

    [claim] = await eventually(again, within=20)
    await table.settle(dead, "RESERVING", timedelta(days=-1))
    await table.close(dead)
    assert claim.leased_until > dead.leased_until, "who has lost a lease changes nothing"
    await table.settle(claim, "RESERVING", LATER)
    assert [(each.step, each.orders) for each in await table.figures()] == [("RESERVING", 1)]


@pytest.mark.parametrize("again", ["open", "nudge"])
async def test_a_hint_during_a_look_has_the_order_looked_at_again(table: OpenFulfillments, again: str) -> None:
    hint = Hint(uuid.uuid4(), ("00-new", "state"))
    await table.open([Hint(hint.order_id)])
    [claim] = await claimed(table)
    await getattr(table, again)([hint])
    await table.settle(claim, "AWAITING_PAYMENT", LATER)
    [once_more] = await claimed(table)
    assert once_more.trace == {"traceparent": "00-new", "tracestate": "state"}
    await table.settle(once_more, "AWAITING_PAYMENT", LATER)
    assert await claimed(table) == []


async def test_a_moment_is_on_the_databases_clock(table: OpenFulfillments) -> None:
    await table.open([Hint(uuid.uuid4())])
    [claim] = await claimed(table)
    await table.settle(claim, "AWAITING_PAYMENT", await table.now() + timedelta(milliseconds=300))

    async def due() -> list[Claim] | None:
        return await claimed(table) or None

    [again] = await eventually(due, within=20)
    assert await table.now() >= again.leased_until - timedelta(minutes=5)
    await table.close(again)
    assert await table.figures() == []


async def test_a_nudge_opens_nothing(table: OpenFulfillments) -> None:
    await table.nudge([Hint(uuid.uuid4())])
    assert await claimed(table) == []


class Told:
    """A message, as much of it as the handler reads."""

    def __init__(self, order_id: str, event_type: str, value: bytes, kind: str = "order") -> None:
        self._key = order_id
        self._value = value
        trace = {"traceparent": "00-t", "tracestate": ""}
        self._headers = headers(1, 0, kind, order_id, 1, event_type, "2026-03-01T12:00:00.000000+00:00", **trace)

    def headers(self) -> Headers:
        """The headers."""
        return self._headers

    def value(self) -> bytes:
        """The value."""
        return self._value

    def key(self) -> bytes:
        """The key."""
        return self._key.encode()

    def partition(self) -> int:
        """The partition."""
        return 0

    def offset(self) -> int:
        """The offset."""
        return 7


CREATED = order_events.OrderCreated.DESCRIPTOR.full_name
CANCELLED = order_events.OrderCancelled.DESCRIPTOR.full_name


@pytest.mark.parametrize(
    ("event_type", "value", "opens"),
    [
        (CREATED, created(automatic=True).SerializeToString(), True),
        (CREATED, created().SerializeToString(), False),
        (CANCELLED, cancelled().SerializeToString(), False),
        (CREATED, b"\xff", True),
        ("orderflow.orders.v1.Unheard", b"", True),
    ],
    ids=["automatic", "manual", "cancelled", "unreadable", "unknown"],
)
async def test_what_may_begin_a_fulfillment_opens_one(
    table: OpenFulfillments, event_type: str, value: bytes, *, opens: bool
) -> None:
    order_id = str(uuid.uuid4())
    await handler(table).handle([message(order_id, event_type, value)])
    assert [str(each.order_id) for each in await claimed(table)] == ([order_id] if opens else [])


async def test_a_message_of_nothing_known_stops_nobody(table: OpenFulfillments) -> None:
    order_id = str(uuid.uuid4())
    strange = [message("no uuid", CREATED, b""), message(str(uuid.uuid4()), CREATED, b"", "parcel")]
    await handler(table).handle([*strange, message(order_id, CREATED, created(automatic=True).SerializeToString())])
    assert [str(each.order_id) for each in await claimed(table)] == [order_id]


async def test_a_message_that_kills_is_a_hint_by_its_key(table: OpenFulfillments) -> None:
    order_id = str(uuid.uuid4())
    await handler(table).condemn(message(order_id, CREATED, b""))
    await handler(table).condemn(message("no uuid", CREATED, b""))
    assert [str(each.order_id) for each in await claimed(table)] == [order_id]


def message(order_id: str, event_type: str, value: bytes, kind: str = "order") -> Message:
    return cast("Message", Told(order_id, event_type, value, kind))


def handler(table: OpenFulfillments) -> HintHandler:
    async def pardon() -> None:
        raise AssertionError("the database is there")

    nothing: Any = lambda: None  # noqa: E731
    return HintHandler(table, asyncio.Event(), hinted=nothing, at_outage=pardon)
