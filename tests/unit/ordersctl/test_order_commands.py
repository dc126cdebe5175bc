import json
from typing import Any

import pytest
from google.protobuf.message import Message
from google.type.money_pb2 import Money

from orderflow.common.v1.address_pb2 import Address
from orderflow.common.v1.errors_pb2 import (
    ERROR_REASON_EVENTUAL_CONSISTENCY_TIMEOUT,
    ERROR_REASON_READ_MODEL_UNAVAILABLE,
)
from orderflow.orders.v1 import commands_pb2, queries_pb2
from orderflow.orders.v1.order_pb2 import (
    FULFILLMENT_MODE_AUTOMATIC,
    ORDER_STATUS_PENDING,
    ORDER_STATUS_SHIPPED,
    OrderItem,
)
from orderflow.orders.v1.views_pb2 import OrderView
from service_kit.errors import TryLater
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ORDER = "0d5f8d0c-7a44-4b3e-9a43-0c2f6f3d1a01"
CUSTOMER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"
ENVELOPE = ("--request-id", "r-1", "--expected-version", "3", "--validate-only")
EXISTING: dict[str, Any] = {"request_id": "r-1", "order_id": ORDER, "expected_version": 3, "validate_only": True}
EUR_19_99 = Money(currency_code="EUR", units=19, nanos=990_000_000)


class NotYet(TryLater):
    """The query side has not seen the token in time."""

    reason = ERROR_REASON_EVENTUAL_CONSISTENCY_TIMEOUT


class ReadModelUnavailable(TryLater):
    """The index is away."""

    reason = ERROR_REASON_READ_MODEL_UNAVAILABLE


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (
            ("add-item", ORDER, "TEA-1:Tea: green:2:19.99"),
            commands_pb2.AddItemRequest(
                **EXISTING, item=OrderItem(sku="TEA-1", product_name="Tea: green", quantity=2, unit_price=EUR_19_99)
            ),
        ),
        (
            ("remove-item", ORDER, "TEA-1", "--quantity", "2"),
            commands_pb2.RemoveItemRequest(**EXISTING, sku="TEA-1", quantity=2),
        ),
        (
            ("pay", ORDER, "--reference", "p-1", "--amount", "19.99"),
            commands_pb2.RecordPaymentRequest(**EXISTING, payment_reference="p-1", amount=EUR_19_99),
        ),
        (
            ("refund", ORDER, "--reference", "p-1", "--amount", "500", "--currency", "JPY"),
            commands_pb2.RecordRefundRequest(
                **EXISTING, refund_reference="p-1", amount=Money(currency_code="JPY", units=500)
            ),
        ),
        (("confirm", ORDER), commands_pb2.ConfirmOrderRequest(**EXISTING)),
        (("ship", ORDER, "--tracking", "1Z9"), commands_pb2.ShipOrderRequest(**EXISTING, tracking_number="1Z9")),
        (("deliver", ORDER), commands_pb2.DeliverOrderRequest(**EXISTING)),
        (("cancel", ORDER, "--reason", "twice"), commands_pb2.CancelOrderRequest(**EXISTING, reason="twice")),
    ],
)
def test_options_become_the_fields_of_the_request(
    services: Services, run: Run, arguments: tuple[str, ...], request_: Message
) -> None:
    assert run("order", *arguments, *ENVELOPE).exit_code == 0
    assert services.request == request_


def test_an_order_is_created_with_exact_prices_and_the_given_address(services: Services, run: Run) -> None:
    run(
        *("order", "create", "--customer", CUSTOMER, "--order-id", ORDER, "--request-id", "r-1", "--currency", "KWD"),
        *("--item", "TEA-1:Tea: green:2:0.1", "--item", "CUP-7:Cup:1:8.505"),
        *("--recipient", "Zoë", "--street", "Kanalweg 3", "--street", "2. Stock", "--postal-code", "10115"),
        *("--city", "Berlin", "--area", "BE", "--country", "DE"),
        *("--fulfillment", "automatic"),
    )
    assert services.request == commands_pb2.CreateOrderRequest(
        fulfillment_mode=FULFILLMENT_MODE_AUTOMATIC,
        request_id="r-1",
        order_id=ORDER,
        customer_id=CUSTOMER,
        items=[
            OrderItem(
                sku="TEA-1",
                product_name="Tea: green",
                quantity=2,
                unit_price=Money(currency_code="KWD", nanos=100_000_000),
            ),
            OrderItem(
                sku="CUP-7",
                product_name="Cup",
                quantity=1,
                unit_price=Money(currency_code="KWD", units=8, nanos=505_000_000),
            ),
        ],
        shipping_address=Address(
            recipient="Zoë",
            address_lines=["Kanalweg 3", "2. Stock"],
            postal_code="10115",
            locality="Berlin",
            administrative_area="BE",
            region_code="DE",
        ),
    )


def test_the_default_address_is_whole(services: Services, run: Run) -> None:
    result = run("--table", "order", "create", "--customer", CUSTOMER, "--item", "TEA-1:Tea:1:19.99")
    assert "the example address is used" in result.stderr
    request = services.request
    assert isinstance(request, commands_pb2.CreateOrderRequest)
    address = request.shipping_address
    assert all((address.recipient, list(address.address_lines), address.locality, address.region_code))


def test_a_given_address_needs_no_note(services: Services, run: Run) -> None:
    result = run("order", "create", "--customer", CUSTOMER, "--item", "TEA-1:Tea:1:19.99", "--city", "Leeds")
    assert services.requests
    assert result.stderr == ""


def test_every_invocation_has_a_request_id_of_its_own_and_shows_it(services: Services, run: Run) -> None:
    shown = [json.loads(run("order", "confirm", ORDER).stdout)["request_id"] for _ in range(2)]
    assert shown == [request.request_id for request in services.requests]  # type: ignore[attr-defined]
    assert len(set(shown)) == 2


@pytest.mark.parametrize(
    "item", ["TEA-1", "TEA-1:Tea:19.99", "TEA-1:Tea:two:19.99", "TEA-1:Tea:1:-5", "TEA-1:Tea:1:1e3", "T:T:2147483648:1"]
)
def test_an_item_that_cannot_be_read_is_wrong_usage(services: Services, run: Run, item: str) -> None:
    result = run("order", "create", "--customer", CUSTOMER, "--item", item)
    assert result.exit_code == 2
    assert "--item" in result.stderr
    assert services.requests == []


@pytest.mark.parametrize("quantity", ["-1", "2147483648", "9" * 5000])
def test_a_quantity_out_of_range_is_called_that(services: Services, run: Run, quantity: str) -> None:
    result = run("order", "create", "--customer", CUSTOMER, "--item", f"T:T:{quantity}:1")
    assert result.exit_code == 2
    assert "out of range" in result.stderr
    assert services.requests == []


def test_the_answer_is_shown_whole_as_a_table(services: Services, run: Run) -> None:
    response = commands_pb2.CreateOrderResponse(
        order_id=ORDER, version=1, status=ORDER_STATUS_PENDING, total_amount=EUR_19_99, consistency_token="token-1"
    )
    response.estimated_delivery_time.FromJsonString("2026-12-05T10:00:00Z")
    services.answer("CreateOrder", response)
    shown = run("--table", "order", "create", "--customer", CUSTOMER, "--item", "T:Tea:1:19.99", "--request-id", "r-1")
    for part in (ORDER, "PENDING", "19.99 EUR", "2026-12-05 10:00:00Z", "token-1", "r-1"):
        assert part in shown.stdout


def test_the_answer_is_one_line_of_protobuf_json_in_a_pipe(services: Services, run: Run) -> None:
    services.answer("ShipOrder", commands_pb2.ShipOrderResponse(order_id=ORDER, version=4, status=ORDER_STATUS_SHIPPED))
    (line,) = run("order", "ship", ORDER, "--tracking", "1Z9", "--request-id", "r-1").stdout.splitlines()
    assert json.loads(line) == {
        "request_id": "r-1",
        "order_id": ORDER,
        "version": "4",
        "status": "ORDER_STATUS_SHIPPED",
    }


def test_waiting_asks_with_the_token_until_the_order_is_visible(services: Services, run: Run) -> None:
    services.answer("ConfirmOrder", commands_pb2.ConfirmOrderResponse(order_id=ORDER, version=2, consistency_token="t"))
    refusals = [NotYet("not yet")]

    def get(_: queries_pb2.GetOrderRequest) -> queries_pb2.GetOrderResponse:
        if refusals:
            raise refusals.pop()
        return queries_pb2.GetOrderResponse(order=OrderView(order_id=ORDER, version=2))

    services.answer("GetOrder", get)
    result = run("order", "confirm", ORDER, "--wait")
    assert services.requests[1:] == [queries_pb2.GetOrderRequest(order_id=ORDER, consistency_tokens=["t"])] * 2
    assert json.loads(result.stderr)["visible_version"] == 2


@pytest.mark.parametrize("refusal", [NotYet("not yet"), ReadModelUnavailable("away")])
def test_an_order_that_does_not_become_visible_was_accepted_all_the_same(
    services: Services, run: Run, refusal: TryLater
) -> None:
    services.answer("ConfirmOrder", commands_pb2.ConfirmOrderResponse(order_id=ORDER, version=2, consistency_token="t"))
    services.refuse("GetOrder", refusal)
    line = ("order", "confirm", ORDER, "--wait", "--request-id", "r-1", "--timeout", "0.3")
    result = run("--table", *line)
    assert result.exit_code == 3
    assert "accepted" in result.stdout
    for part in (
        "the command was accepted",
        f"`ordersctl order get {ORDER} --token t`",
        "repeat it with --request-id r-1",
    ):
        assert part in result.stderr
    assert "the command was accepted" in json.loads(run(*line).stderr)["error"]["advice"]


@pytest.mark.parametrize(
    ("line", "most"),
    [
        (("confirm", ORDER, "--expected-version"), 2**63 - 1),
        (("remove-item", ORDER, "TEA-1", "--quantity"), 2**31 - 1),
    ],
)
def test_a_number_that_no_request_can_hold_is_wrong_usage(
    services: Services, run: Run, line: tuple[str, ...], most: int
) -> None:
    assert run("order", *line, str(most)).exit_code == 0
    services.requests.clear()
    for number in (most + 1, 0, -(10**30)):
        result = run("order", *line, str(number))
        assert result.exit_code == 2
        assert line[-1] in result.stderr
        assert services.requests == []


def test_there_is_nothing_to_wait_for_without_an_effect(services: Services, run: Run) -> None:
    assert run("order", "confirm", ORDER, "--wait", "--validate-only").exit_code == 2
    assert services.requests == []


def test_a_long_token_stays_in_one_line_to_be_copied(services: Services, run: Run) -> None:
    token = "t" * 300
    services.answer("ConfirmOrder", commands_pb2.ConfirmOrderResponse(order_id=ORDER, consistency_token=token))
    assert token in run("order", "confirm", ORDER, "--table").stdout
