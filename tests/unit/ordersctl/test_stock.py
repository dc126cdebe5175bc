import json

import pytest
from google.protobuf.message import Message

from orderflow.inventory.v1 import commands_pb2 as pb
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ORDER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (("set", "TEA", "0", "--request-id", "r"), pb.UpdateInventoryRequest(request_id="r", sku="TEA", set=0)),
        (
            ("adjust", "TEA", "--request-id", "r", "--expected-version", "2", "--", "-2"),
            pb.UpdateInventoryRequest(request_id="r", sku="TEA", adjust=-2, expected_version=2),
        ),
        (
            ("reserve", "TEA", ORDER, "3", "--request-id", "r", "--validate-only"),
            pb.ReserveStockRequest(request_id="r", sku="TEA", order_id=ORDER, quantity=3, validate_only=True),
        ),
        (
            ("release", "TEA", ORDER, "--request-id", "r"),
            pb.ReleaseStockRequest(request_id="r", sku="TEA", order_id=ORDER),
        ),
        (
            ("commit", "TEA", ORDER, "--request-id", "r"),
            pb.CommitStockRequest(request_id="r", sku="TEA", order_id=ORDER),
        ),
    ],
)
def test_options_become_the_fields_of_the_request(
    services: Services, run: Run, arguments: tuple[str, ...], request_: Message
) -> None:
    assert run("stock", *arguments).exit_code == 0
    assert services.request == request_


def test_the_stock_is_shown_to_people_and_programs(services: Services, run: Run) -> None:
    answer = pb.ReserveStockResponse(sku="TEA", version=2, on_hand=12, reserved=5, available=7, consistency_token="t-1")
    services.answer("ReserveStock", answer)
    shown = run("--table", "stock", "reserve", "TEA", ORDER, "5", "--request-id", "r-1").stdout
    for part in ("TEA", "12", "5", "7", "t-1", "r-1"):
        assert part in shown
    assert json.loads(run("stock", "reserve", "TEA", ORDER, "5").stdout)["available"] == "7"
