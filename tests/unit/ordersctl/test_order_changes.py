import json
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message

from orderflow.common.v1.errors_pb2 import ERROR_REASON_READ_MODEL_UNAVAILABLE
from orderflow.orders.v1.order_pb2 import ORDER_STATUS_PENDING, ORDER_STATUS_SHIPPED
from orderflow.orders.v1.queries_pb2 import (
    GetOrderRequest,
    GetOrderResponse,
    OrderFilter,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from orderflow.orders.v1.views_pb2 import OrderView
from service_kit.errors import TryLater
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services
from tests.unit.ordersctl.test_order_queries import JULY, ORDER, view


class Away(TryLater):
    """The index is away."""

    reason = ERROR_REASON_READ_MODEL_UNAVAILABLE


@pytest.mark.parametrize(
    ("moment", "request_"),
    [
        ("2", GetOrderRequest(order_id=ORDER, at_version=2)),
        ("2026-07-01", GetOrderRequest(order_id=ORDER, as_of_time=JULY)),
    ],
)
def test_an_order_is_shown_as_it_was(services: Services, run: Run, moment: str, request_: Message) -> None:
    assert run("order", "at", ORDER, moment).exit_code == 0
    assert services.request == request_


@pytest.mark.parametrize("moment", ["0", "yesterday", str(2**63)])
def test_what_is_no_moment_is_wrong_usage(services: Services, run: Run, moment: str) -> None:
    assert run("order", "at", ORDER, moment).exit_code == 2
    assert services.requests == []


def _was(request: GetOrderRequest) -> GetOrderResponse:
    version = request.at_version or 3
    order = OrderView(order_id=ORDER, version=version, status=ORDER_STATUS_PENDING, item_names=["Tea"])
    if version == 3:
        order.status, order.tracking_number = ORDER_STATUS_SHIPPED, "T-1"
        order.item_names.append("Lamp")
    return GetOrderResponse(order=order)


def test_a_difference_names_each_field_that_changed(services: Services, run: Run) -> None:
    services.answer("GetOrder", _was)
    result = run("order", "diff", ORDER, "1", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"field": "status", "before": "ORDER_STATUS_PENDING", "after": "ORDER_STATUS_SHIPPED"},
        {"field": "version", "before": "1", "after": "3"},
        {"field": "item_names[1]", "before": "", "after": "Lamp"},
        {"field": "tracking_number", "before": "", "after": "T-1"},
    ]
    assert "T-1" in run("--table", "order", "diff", ORDER, "1", "3").stdout
    assert "nothing changed" in run("--table", "order", "diff", ORDER, "1", "1").stderr


def _told() -> list[WatchOrdersResponse]:
    return [
        WatchOrdersResponse(order=view(1), resume_token="1"),
        WatchOrdersResponse(caught_up=WatchOrdersResponse.CaughtUp(), resume_token="2"),
        WatchOrdersResponse(heartbeat=WatchOrdersResponse.Heartbeat(), resume_token="3"),
        WatchOrdersResponse(removed_order_id=view(1).order_id, resume_token="4"),
    ]


def test_a_watch_shows_orders_and_what_became_of_them(services: Services, run: Run) -> None:
    services.answer("WatchOrders", _told())
    result = run("--table", "order", "watch", "--status", "pending", "--resume", "0")
    assert services.request == WatchOrdersRequest(filter=OrderFilter(statuses=[ORDER_STATUS_PENDING]), resume_token="0")
    assert view(1).order_id in result.stdout
    assert result.stderr.splitlines() == ["these are all; changes follow", f"not among them: {view(1).order_id}"]
    lines = [json.loads(line) for line in run("order", "watch", "--json").stdout.splitlines()]
    assert [each["resume_token"] for each in lines] == ["1", "2", "4"]


def test_a_watch_that_breaks_is_continued_and_one_that_cannot_be_says_where_it_was(
    services: Services, run: Run
) -> None:
    def broken(request: WatchOrdersRequest) -> Iterator[WatchOrdersResponse]:
        if not request.resume_token:
            yield _told()[0]
        raise Away("away")

    services.answer("WatchOrders", broken)
    result = run("order", "watch", "--json")
    assert [each.resume_token for each in services.requests] == ["", "1"]  # type: ignore[attr-defined]
    assert result.exit_code == 3
    assert json.loads(result.stderr)["error"]["repeat_with"] == {"--resume": "1"}
