"""GetFulfillment, from the event log: how far an order is, and what giving it up would do."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from event_schemas.aggregates import FULFILLMENT
from orderflow.fulfillment.v1 import events_pb2, fulfillment_pb2, queries_pb2
from orderflow.fulfillment.v1.query_service_pb2_grpc import FulfillmentQueryServiceStub
from orderflow.orders.v1 import events_pb2 as order_events
from orderflow.orders.v1 import order_pb2
from tests.integration.query_service.client import refusal_of
from tests.integration.query_service.conftest import running_service
from tests.integration.query_service.event_log import EventLogInMemory, serving
from tests.integration.query_service.views import euros

_NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Case:
    """An order, its fulfillment, and a query server that reads both."""

    def __init__(self, log: EventLogInMemory, channel: grpc.aio.Channel) -> None:
        self._log = log
        self._stub = FulfillmentQueryServiceStub(channel)
        self.order_id = str(uuid.uuid4())

    def ordered(self, *events: Message, mode: str = "AUTOMATIC") -> None:
        """Records the order's events, after its creation."""
        created = order_events.OrderCreated(
            order_id=self.order_id,
            customer_id=str(uuid.uuid4()),
            total_amount=euros(12),
            fulfillment_mode=order_pb2.FulfillmentMode.Value(f"FULFILLMENT_MODE_{mode}"),
        )
        for event in (created, *events):
            self._log.record(self.order_id, event, _NOON)

    def fulfilled(self, *events: Message) -> None:
        """Records the fulfillment's events."""
        fulfillment_id = FULFILLMENT.id_of(events_pb2.FulfillmentStarted(order_id=self.order_id))
        for event in events:
            event.order_id = self.order_id  # type: ignore[attr-defined]
            self._log.record(fulfillment_id, event, _NOON, aggregate_type="fulfillment")

    async def get(self, order_id: str = "") -> queries_pb2.GetFulfillmentResponse:
        """Asks."""
        request = queries_pb2.GetFulfillmentRequest(order_id=order_id or self.order_id)
        answer: queries_pb2.GetFulfillmentResponse = await self._stub.GetFulfillment(request, timeout=30)
        return answer


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    log = EventLogInMemory()
    async with (
        serving(log) as address,
        running_service(command_service_address=address) as queries,
        grpc.aio.insecure_channel(queries.address) as channel,
    ):
        yield Case(log, channel)


def started() -> events_pb2.FulfillmentStarted:
    lines = [events_pb2.FulfillmentLine(sku=sku, quantity=1) for sku in ("PEN", "INK", "CUP")]
    return events_pb2.FulfillmentStarted(lines=lines)


async def test_what_giving_up_would_do_is_told_while_it_can_be_done(case: Case) -> None:
    paid = order_events.PaymentProcessed(order_id=case.order_id, payment_reference="P", amount=euros(5))
    case.ordered(paid, order_events.RefundRecorded(order_id=case.order_id, refund_reference="R", amount=euros(2)))
    case.fulfilled(started(), events_pb2.ItemReserved(sku="PEN"))
    found = await case.get(case.order_id.upper())
    assert (found.order_id, found.version) == (case.order_id, 2)
    assert found.step == fulfillment_pb2.FULFILLMENT_STEP_RESERVING
    would = queries_pb2.Compensation(release_skus=["PEN", "INK"], cancels_order=True, refund_due=euros(3))
    assert found.compensation == would


async def test_what_was_shipped_is_not_given_back(case: Case) -> None:
    case.ordered(order_events.OrderConfirmed(), order_events.OrderShipped(ship_time=Timestamp(seconds=1)))
    case.fulfilled(started(), events_pb2.ItemReserved(sku="PEN"), events_pb2.CommitmentStarted())
    assert (await case.get()).compensation == queries_pb2.Compensation()


async def test_an_end_is_final(case: Case) -> None:
    case.ordered(order_events.OrderCancelled(reason="late"))
    case.fulfilled(started(), events_pb2.CompensationStarted(cancel_reason="late"), events_pb2.FulfillmentCancelled())
    found = await case.get()
    assert (found.step, found.cancel_reason) == (fulfillment_pb2.FULFILLMENT_STEP_CANCELLED, "late")
    assert not found.HasField("compensation")


@pytest.mark.parametrize(("mode", "said"), [("MANUAL", "is of MANUAL fulfillment"), ("AUTOMATIC", "has not begun")])
async def test_an_order_without_a_fulfillment_is_told_apart(case: Case, mode: str, said: str) -> None:
    case.ordered(mode=mode)
    with pytest.raises(grpc.aio.AioRpcError, match=said):
        await case.get()
    refusal = await refusal_of(case.get())
    assert (refusal.reason, refusal.metadata) == ("ORDER_NOT_FOUND", {"fulfillment_mode": mode})


async def test_an_order_that_does_not_exist_is_not_found(case: Case) -> None:
    refusal = await refusal_of(case.get())
    assert (refusal.code, refusal.reason, refusal.metadata) == (grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND", {})


@pytest.mark.parametrize("order_id", ["no uuid", "0d9f3b52-7c1e-4e0b-9a53"])
async def test_what_is_no_order_id_is_refused(case: Case, order_id: str) -> None:
    refusal = await refusal_of(case.get(order_id))
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ["order_id"])
