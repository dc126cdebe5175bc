"""Orders as they were, and what happened to them, from the event log."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from orderflow.common.v1.consistency_pb2 import READ_SOURCE_EVENT_LOG
from orderflow.orders.v1 import events_pb2, queries_pb2
from orderflow.orders.v1.order_pb2 import ORDER_STATUS_CONFIRMED, ORDER_STATUS_PENDING
from orderflow.orders.v1.views_pb2 import ENRICHMENT_STATE_PENDING
from query_service import event_log
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService, free_port, running_service
from tests.integration.query_service.event_log import TRACE_ID, EventLogInMemory, serving
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import euros

_NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
async def log() -> EventLogInMemory:
    return EventLogInMemory()


@pytest.fixture
async def queries(log: EventLogInMemory) -> AsyncIterator[Queries]:
    async with serving(log) as address, running_service(command_service_address=address) as queries:
        yield queries


@pytest.fixture
def order_id(log: EventLogInMemory) -> str:
    """An order that was created at noon, paid a minute later, and confirmed after another."""
    order_id = str(uuid.uuid4())
    events = (
        events_pb2.OrderCreated(order_id=order_id, customer_id=str(uuid.uuid4()), total_amount=euros(12)),
        events_pb2.PaymentProcessed(order_id=order_id, payment_reference="P", amount=euros(12)),
        events_pb2.OrderConfirmed(order_id=order_id),
    )
    for number, event in enumerate(events):
        log.record(order_id, event, _NOON + timedelta(minutes=number))
    return order_id


def at(minutes: float) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(_NOON + timedelta(minutes=minutes))
    return time


async def test_an_order_is_shown_as_it_was_at_a_version(order_id: str, queries: Queries) -> None:
    answer = await queries.get(order_id.upper(), at_version=2)
    assert (answer.order.version, answer.order.status) == (2, ORDER_STATUS_PENDING)
    assert answer.order.paid_amount == euros(12)
    assert answer.freshness == type(answer.freshness)(source=READ_SOURCE_EVENT_LOG)
    assert (await queries.get(order_id, at_version=3)).order.status == ORDER_STATUS_CONFIRMED


@pytest.mark.parametrize(("minutes", "version"), [(0, 1), (1.5, 2), (2, 3), (9999, 3)])
async def test_an_order_is_shown_as_it_was_at_a_time(
    minutes: float, version: int, order_id: str, queries: Queries
) -> None:
    assert (await queries.get(order_id, as_of_time=at(minutes))).order.version == version


async def test_the_past_is_not_waited_for_and_knows_no_customer(order_id: str, queries: Queries) -> None:
    for moment in ({"at_version": 2}, {"as_of_time": at(1)}):
        answer = await queries.get(order_id, consistency_tokens=[token("order", order_id, 99)], **moment)
        assert answer.order.version == 2
        assert answer.order.enrichment_state == ENRICHMENT_STATE_PENDING
        assert (answer.order.customer_name, answer.order.customer_email) == ("", "")


async def test_a_version_that_an_order_has_not_yet_is_refused_with_the_one_it_has(
    order_id: str, queries: Queries
) -> None:
    refusal = await refusal_of(queries.get(order_id, at_version=4))
    assert refusal.metadata == {"current_version": "3"}
    assert not (await refusal_of(queries.get(str(uuid.uuid4()), at_version=4))).metadata


async def test_what_an_order_never_was_is_not_found(order_id: str, queries: Queries) -> None:
    for call in (
        queries.get(order_id, at_version=4),
        queries.get(order_id, as_of_time=at(-1)),
        queries.get(str(uuid.uuid4()), at_version=1),
        queries.get(str(uuid.uuid4()), as_of_time=at(0)),
    ):
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND")


async def test_a_history_shows_each_event_with_who_when_and_trace(order_id: str, queries: Queries) -> None:
    chunks = await queries.history(order_id.upper())
    events = [event for chunk in chunks for event in chunk.events]
    assert [event.version for event in events] == [1, 2, 3]
    assert [event.event.WhichOneof("event") for event in events] == [
        "order_created",
        "payment_processed",
        "order_confirmed",
    ]
    assert events[1].event.payment_processed.amount == euros(12)
    assert {(event.actor, event.trace_id) for event in events} == {("anonymous", TRACE_ID)}
    assert [event.record_time for event in events] == [at(0), at(1), at(2)]


async def test_a_history_can_start_later_and_be_empty(order_id: str, queries: Queries) -> None:
    assert [event.version for chunk in await queries.history(order_id, after_version=2) for event in chunk.events] == [
        3
    ]
    assert not await queries.history(order_id, after_version=3)


async def test_an_event_that_is_newer_than_the_server_is_left_out_but_told(
    log: EventLogInMemory, order_id: str, queries: Queries
) -> None:
    log.record(order_id, events_pb2.OrderShipped(), _NOON, event_type="orderflow.orders.v1.OrderTeleported")
    last = (await queries.history(order_id))[-1].events[-1]
    assert (last.version, last.event) == (4, events_pb2.OrderEvent())


async def test_the_history_of_an_unknown_order_is_not_found(queries: Queries) -> None:
    for after_version in (0, 5):
        refusal = await refusal_of(queries.history(str(uuid.uuid4()), after_version=after_version))
        assert refusal.reason == "ORDER_NOT_FOUND"


async def test_a_history_that_is_cancelled_stops_reading_the_log(
    log: EventLogInMemory, order_id: str, queries: Queries
) -> None:
    log.stall = True
    stream = queries.stub.GetOrderHistory(queries_pb2.GetOrderHistoryRequest(order_id=order_id))
    await log.stalled.wait()
    stream.cancel()
    await log.cancelled.wait()


async def test_an_event_log_that_falls_silent_is_not_waited_for_though_the_caller_has_no_deadline(
    log: EventLogInMemory, order_id: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_LONGEST_SILENCE_SECONDS", 0.5)
    log.stall = True
    for call in (queries.history(order_id), queries.get(order_id, at_version=2)):
        log.cancelled.clear()
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        await log.cancelled.wait()


async def test_without_the_command_service_the_past_is_unavailable(start_service: StartService) -> None:
    queries = await start_service(command_service_address=f"127.0.0.1:{free_port()}")
    for call in (queries.get(str(uuid.uuid4()), at_version=1), queries.history(str(uuid.uuid4()))):
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
