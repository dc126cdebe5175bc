import json
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.common.v1.consistency_pb2 import READ_SOURCE_CACHE, ViewFreshness
from orderflow.common.v1.errors_pb2 import ERROR_REASON_READ_MODEL_UNAVAILABLE
from orderflow.orders.v1 import events_pb2, queries_pb2
from orderflow.orders.v1.order_pb2 import (
    ORDER_STATUS_CANCELLED,
    ORDER_STATUS_CONFIRMED,
    ORDER_STATUS_PENDING,
    OrderItem,
)
from orderflow.orders.v1.queries_pb2 import (
    FacetBucket,
    FacetCounts,
    GetOrderHistoryResponse,
    GetOrderRequest,
    ListOrdersRequest,
    ListOrdersResponse,
    OrderFilter,
    SearchOrdersRequest,
    SearchOrdersResponse,
)
from orderflow.orders.v1.views_pb2 import EnrichmentState, OrderView
from query_service.errors import OrderNotFound
from service_kit.errors import TryLater
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ORDER = "0d5f8d0c-7a44-4b3e-9a43-0c2f6f3d1a01"
CUSTOMER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"
JULY = Timestamp(seconds=1782864000)  # 2026-07-01T00:00:00Z


class ReadModelUnavailable(TryLater):
    """The index is away."""

    reason = ERROR_REASON_READ_MODEL_UNAVAILABLE


def view(number: int) -> OrderView:
    """An order of a list."""
    return OrderView(
        order_id=f"{ORDER[:-2]}{number:02d}",
        customer_name="Zoë Berg",
        status=ORDER_STATUS_PENDING,
        total_amount=Money(currency_code="EUR", units=19, nanos=990_000_000),
        items=[OrderItem(sku="TEA-1", product_name="Green tea", quantity=2)],
        create_time=JULY,
        version=1,
    )


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (("get", ORDER), GetOrderRequest(order_id=ORDER)),
        (
            ("get", ORDER, "--min-version", "2", "--token", "a", "--token", "b"),
            GetOrderRequest(order_id=ORDER, min_version=2, consistency_tokens=["a", "b"]),
        ),
        (("get", ORDER, "--at-version", "1"), GetOrderRequest(order_id=ORDER, at_version=1)),
        (("get", ORDER, "--as-of", "2026-07-01T02:00:00+02:00"), GetOrderRequest(order_id=ORDER, as_of_time=JULY)),
        (("get", ORDER, "--as-of", "2026-07-01"), GetOrderRequest(order_id=ORDER, as_of_time=JULY)),
        (("list",), ListOrdersRequest(filter=OrderFilter())),
        (
            (
                *("list", "--customer", CUSTOMER, "--status", "confirmed", "--status", "CANCELLED", "--token", "t"),
                *(
                    "--since",
                    "2026-07-01T00:00:00Z",
                    "--order-by",
                    "total_amount desc",
                    "--limit",
                    "7",
                    "--resume",
                    "r",
                ),
            ),
            ListOrdersRequest(
                filter=OrderFilter(
                    customer_id=CUSTOMER,
                    statuses=[ORDER_STATUS_CONFIRMED, ORDER_STATUS_CANCELLED],
                    create_time_range=Interval(start_time=JULY),
                ),
                order_by="total_amount desc",
                limit=7,
                resume_token="r",
                consistency_tokens=["t"],
            ),
        ),
        (
            ("search", "green", "tea", "--until", "2026-07-01", "--limit", "3"),
            SearchOrdersRequest(
                query="green tea", filter=OrderFilter(create_time_range=Interval(end_time=JULY)), limit=3
            ),
        ),
        (
            ("list", "--min-total", "10", "--max-total", "19.99", "--currency", "USD", "--tracking", "T 1"),
            ListOrdersRequest(
                filter=OrderFilter(
                    min_total=Money(currency_code="USD", units=10),
                    max_total=Money(currency_code="USD", units=19, nanos=990_000_000),
                    tracking_number="T 1",
                )
            ),
        ),
        (
            ("history", ORDER, "--after-version", "2"),
            queries_pb2.GetOrderHistoryRequest(order_id=ORDER, after_version=2),
        ),
    ],
)
def test_options_become_the_fields_of_the_request(
    services: Services, run: Run, arguments: tuple[str, ...], request_: Message
) -> None:
    assert run("order", *arguments).exit_code == 0
    assert services.request == request_


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-14:00", "10000-01-01"])
@pytest.mark.parametrize(
    "line", [("list", "--since"), ("list", "--until"), ("search", "tea", "--until"), ("get", ORDER, "--as-of")]
)
def test_a_time_that_is_none_is_wrong_usage(services: Services, run: Run, line: tuple[str, ...], time: str) -> None:
    result = run("order", *line, time)
    assert result.exit_code == 2
    assert line[-1] in result.stderr
    assert services.requests == []


@pytest.mark.parametrize("amount", ["ten", "-1", "1e3", "9223372036854775808", "0.0000000001"])
@pytest.mark.parametrize("option", ["--min-total", "--max-total"])
def test_an_amount_that_is_none_is_wrong_usage(services: Services, run: Run, option: str, amount: str) -> None:
    for line in (("list",), ("search", "tea"), ("watch",)):
        result = run("order", *line, option, amount)
        assert result.exit_code == 2
        assert option in result.stderr
    assert services.requests == []


@pytest.mark.parametrize(
    ("line", "most"),
    [
        (("get", ORDER, "--at-version"), 2**63 - 1),
        (("get", ORDER, "--min-version"), 2**63 - 1),
        (("history", ORDER, "--after-version"), 2**63 - 1),
        (("list", "--limit"), 2**31 - 1),
        (("search", "tea", "--limit"), 2**31 - 1),
    ],
)
def test_a_number_that_no_request_can_hold_is_wrong_usage(
    services: Services, run: Run, line: tuple[str, ...], most: int
) -> None:
    assert run("order", *line, str(most)).exit_code == 0
    services.requests.clear()
    for number in (most + 1, -1, 10**30):
        result = run("order", *line, str(number))
        assert result.exit_code == 2
        assert line[-1] in result.stderr
        assert services.requests == []


@pytest.mark.parametrize(
    "line",
    [
        ("get", ORDER, "--at-version", "99"),
        ("get", ORDER, "--as-of", "2001-01-01"),
        ("at", ORDER, "99"),
        ("at", ORDER, "2001-01-01"),
        ("diff", ORDER, "1", "99"),
    ],
)
def test_of_an_order_that_was_not_there_then_the_history_tells_more(
    services: Services, run: Run, line: tuple[str, ...]
) -> None:
    services.refuse("GetOrder", OrderNotFound("not then"))
    result = run("--table", "order", *line)
    assert result.exit_code == 1
    assert f"ordersctl order history {ORDER}" in result.stderr
    assert "--token" not in result.stderr
    assert "--token" in run("--table", "order", "get", ORDER).stderr


def test_what_the_event_store_does_not_know_no_token_brings(services: Services, run: Run) -> None:
    services.refuse("GetOrderHistory", OrderNotFound("there is none"))
    result = run("--table", "order", "history", ORDER)
    assert result.exit_code == 1
    assert "check the id" in result.stderr
    assert "--token" not in result.stderr


def test_an_order_is_shown_whole(services: Services, run: Run) -> None:
    order = view(1)
    order.cancel_reason = "ordered [bold]twice[/bold]\x1b[31m"
    freshness = ViewFreshness(source=READ_SOURCE_CACHE, project_time=JULY)
    services.answer("GetOrder", queries_pb2.GetOrderResponse(order=order, freshness=freshness))
    shown = run("--table", "order", "get", ORDER).stdout
    for part in (order.order_id, "Zoë Berg", "19.99 EUR", "Green tea", "2026-07-01 00:00:00Z", "from the cache"):
        assert part in shown
    assert "[bold]twice[/bold]" in shown, "text of others is no markup"
    assert "\x1b" not in shown, "text of others steers no terminal"


def test_a_list_is_one_order_a_line_in_a_pipe(services: Services, run: Run) -> None:
    services.answer("ListOrders", [ListOrdersResponse(orders=[view(1), view(2)]), ListOrdersResponse(orders=[view(3)])])
    lines = [json.loads(line) for line in run("order", "list").stdout.splitlines()]
    assert [line["order_id"] for line in lines] == [view(number).order_id for number in (1, 2, 3)]
    assert lines[0]["total_amount"] == {"currency_code": "EUR", "units": "19", "nanos": 990000000}


def test_the_chunks_of_a_list_form_one_table(services: Services, run: Run) -> None:
    services.answer("ListOrders", [ListOrdersResponse(orders=[view(1), view(2)]), ListOrdersResponse(orders=[view(3)])])
    header, *rows = run("order", "list", "--table").stdout.splitlines()
    assert header.split() == ["order", "status", "total", "created", "customer", "items"]
    assert [row.split()[0] for row in rows] == [view(number).order_id for number in (1, 2, 3)]
    assert {row.index("2026-07-01 00:00:00Z") for row in rows} == {header.index("created")}


def test_a_narrow_terminal_gets_fewer_columns(services: Services, run: Run) -> None:
    services.answer("ListOrders", [ListOrdersResponse(orders=[view(1)])])
    result = run("order", "list", "--table", COLUMNS="80")
    header, row = result.stdout.splitlines()
    assert header.split() == ["order", "status", "total", "created"]
    assert view(1).order_id in row
    assert "07-01 00:00Z" in row


def test_an_interrupted_list_says_how_to_go_on(services: Services, run: Run) -> None:
    def chunks(_: ListOrdersRequest) -> Iterator[ListOrdersResponse]:
        yield ListOrdersResponse(orders=[view(1)], resume_token="after-1")
        raise ReadModelUnavailable("the index is away")

    services.answer("ListOrders", chunks)
    result = run("order", "list", "--table")
    assert result.exit_code == 3
    assert view(1).order_id in result.stdout
    assert "repeat it with --resume after-1" in result.stderr


def test_what_happened_to_an_order_is_shown_event_by_event(services: Services, run: Run) -> None:
    created = events_pb2.OrderCreated(items=view(1).items, total_amount=view(1).total_amount)
    chunk = GetOrderHistoryResponse()
    chunk.events.add(event=events_pb2.OrderEvent(order_created=created), version=1, record_time=JULY, actor="ada")
    chunk.events.add(event=events_pb2.OrderEvent(order_cancelled=events_pb2.OrderCancelled(reason="twice")), version=2)
    chunk.events.add(event=events_pb2.OrderEvent(), version=3)
    services.answer("GetOrderHistory", [chunk])
    _, first, second, third = run("order", "history", ORDER, "--table").stdout.splitlines()
    assert "OrderCreated" in first
    assert "Green tea; total 19.99 EUR" in first
    assert "OrderCancelled" in second
    assert "twice" in second
    assert "(unknown here)" in third


def test_a_search_says_how_many_there_are_beyond_the_limit(services: Services, run: Run) -> None:
    services.answer(
        "SearchOrders",
        [SearchOrdersResponse(orders=[view(1)], total=17), SearchOrdersResponse(orders=[view(2)])],
    )
    assert "2 of 17 found" in run("order", "search", "tea", "--table").stderr
    assert json.loads(run("order", "search", "tea").stderr) == {"shown": 2, "found": 17}


def test_a_search_counts_by_facets(services: Services, run: Run) -> None:
    buckets = [FacetBucket(value="PENDING", order_count=3), FacetBucket(value="SHIPPED", order_count=1)]
    counts = [
        FacetCounts(facet=queries_pb2.FACET_STATUS, buckets=buckets),
        FacetCounts(
            facet=queries_pb2.FACET_CUSTOMER, buckets=[FacetBucket(value=CUSTOMER, order_count=3)], other_count=1
        ),
        FacetCounts(facet=queries_pb2.FACET_MONTH),
    ]
    services.answer("SearchOrders", [SearchOrdersResponse(total=4, facet_counts=counts), SearchOrdersResponse()])
    line = ("order", "search", "tea", *("--facet", "status", "--facet", "Customer", "--facet", "status"))
    said = run(*line, "--table").stderr
    for part in ("by status: 3 PENDING, 1 SHIPPED\n", f"by customer: 3 {CUSTOMER}, 1 of others\n", "by month: none\n"):
        assert part in said
    assert services.request == SearchOrdersRequest(
        query="tea", filter=OrderFilter(), facets=[queries_pb2.FACET_STATUS, queries_pb2.FACET_CUSTOMER]
    )
    first = json.loads(run(*line).stderr.splitlines()[1])
    assert first == {"facet": "status", "counts": {"PENDING": 3, "SHIPPED": 1}, "others": 0}
    assert run("order", "search", "tea", "--facet", "color").exit_code == 2


def test_of_a_facet_with_many_values_people_see_the_first(services: Services, run: Run) -> None:
    buckets = [FacetBucket(value=f"c-{number}", order_count=20 - number) for number in range(14)]
    counts = FacetCounts(facet=queries_pb2.FACET_CUSTOMER, buckets=buckets, other_count=5)
    services.answer("SearchOrders", [SearchOrdersResponse(total=9, facet_counts=[counts])])
    line = ("order", "search", "tea", "--facet", "customer")
    assert "9 c-11, 20 of others\n" in run(*line, "--table").stderr
    said = json.loads(run(*line).stderr.splitlines()[1])
    assert (len(said["counts"]), said["others"]) == (14, 5)


def test_an_empty_list_says_so_to_people(run: Run) -> None:
    assert "no orders" in run("order", "list", "--table").stderr
    assert run("order", "list").output == ""


@pytest.mark.parametrize(
    ("name", "state", "shown"),
    [
        ("Zoë", EnrichmentState.ENRICHMENT_STATE_COMPLETE, "Zoë <zoe@example.org>"),
        ("", EnrichmentState.ENRICHMENT_STATE_PENDING, "not known yet"),
        ("", EnrichmentState.ENRICHMENT_STATE_ERASED, "erased"),
    ],
)
def test_an_orders_customer_is_shown_or_why_there_is_none(
    services: Services, run: Run, name: str, state: "EnrichmentState.ValueType", shown: str
) -> None:
    found = OrderView(order_id=ORDER, customer_id="c-1", customer_name=name, enrichment_state=state)
    found.customer_email = "zoe@example.org" if name else ""
    services.answer("GetOrder", queries_pb2.GetOrderResponse(order=found))
    assert f"{shown} c-1" in run("--table", "order", "get", ORDER).stdout


def test_a_status_that_only_a_newer_server_knows_is_shown_by_its_number(services: Services, run: Run) -> None:
    newer = OrderView.FromString(OrderView(order_id=ORDER).SerializeToString() + _newer_status(99))
    services.answer("GetOrder", queries_pb2.GetOrderResponse(order=newer))
    services.answer("ListOrders", [ListOrdersResponse(orders=[newer])])
    assert "99" in run("--table", "order", "get", ORDER).stdout
    assert " 99 " in run("--table", "order", "list").stdout
    assert json.loads(run("order", "get", ORDER).stdout)["order"]["status"] == 99


def _newer_status(number: int) -> bytes:
    """The field `status` with a value that this contract does not have, as it comes over the wire."""
    tag = OrderView.DESCRIPTOR.fields_by_name["status"].number << 3
    return bytes([tag, number])
