import json

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from orderflow.fulfillment.v1 import fulfillment_pb2, queries_pb2
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ORDER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"
WAITING = queries_pb2.GetFulfillmentResponse(
    order_id=ORDER,
    version=4,
    step=fulfillment_pb2.FULFILLMENT_STEP_AWAITING_PAYMENT,
    reservations=[
        queries_pb2.Reservation(sku="TEA", quantity=3, state=fulfillment_pb2.RESERVATION_STATE_RESERVED),
    ],
    next_deadline_time=Timestamp(seconds=1772366400),
    attempts=2,
    last_error="ReserveStock: UNAVAILABLE: away",
    compensation=queries_pb2.Compensation(
        release_skus=["TEA"], cancels_order=True, refund_due=Money(currency_code="EUR", units=4)
    ),
)
CANCELLED = queries_pb2.GetFulfillmentResponse(
    order_id=ORDER,
    version=7,
    step=fulfillment_pb2.FULFILLMENT_STEP_CANCELLED,
    cancel_reason="not paid in full",
    reservations=[
        queries_pb2.Reservation(
            sku="TEA", quantity=3, state=fulfillment_pb2.RESERVATION_STATE_ABANDONED, cause="settled by hand"
        )
    ],
)


def test_a_fulfillment_is_shown_to_people_and_programs(services: Services, run: Run) -> None:
    services.answer("GetFulfillment", WAITING)
    shown = run("--table", "fulfillment", "get", ORDER).stdout
    for part in (
        *("AWAITING_PAYMENT", "2026-03-01 12:00:00Z", "RESERVED", "ReserveStock: UNAVAILABLE: away"),
        "cancels the order; releases TEA; 4.00 EUR are due",
    ):
        assert part in shown
    assert services.request == queries_pb2.GetFulfillmentRequest(order_id=ORDER)
    assert json.loads(run("fulfillment", "get", ORDER).stdout)["attempts"] == 2


def test_an_end_says_why_and_what_is_left_to_people(services: Services, run: Run) -> None:
    services.answer("GetFulfillment", CANCELLED)
    shown = run("--table", "fulfillment", "get", ORDER).stdout
    for part in ("CANCELLED", "not paid in full", "ABANDONED", "settled by hand"):
        assert part in shown
    assert "giving up now" not in shown


def test_a_fulfillment_is_watched_to_its_end(services: Services, run: Run) -> None:
    answers = iter([WAITING, WAITING, CANCELLED])
    services.answer("GetFulfillment", lambda _: next(answers))
    lines = run("fulfillment", "get", ORDER, "--watch").stdout.splitlines()
    assert [json.loads(line)["version"] for line in lines] == ["4", "7"]
