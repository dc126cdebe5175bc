"""Every bad input gets its documented status, reason and field."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.order_pb2 import ORDER_STATUS_PENDING
from orderflow.orders.v1.queries_pb2 import (
    GetCustomerSummaryRequest,
    GetOrderHistoryRequest,
    GetOrderRequest,
    ListCustomerSummariesRequest,
    ListOrdersRequest,
    OrderFilter,
    SearchOrdersRequest,
    WatchOrdersRequest,
)
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import running_service
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import CUSTOMER_ID

_ID = "3f0c9b1e-7c1d-4f7b-9a55-0c6d2f8e4b10"
_YEN_WITH_SEN = Money(currency_code="JPY", units=1, nanos=500_000_000)
_NOBODYS = Money(currency_code="XQQ", units=1)

_BAD: list[tuple[Any, str, list[str]]] = [
    (GetOrderRequest(), "INVALID_FIELD", ["order_id"]),
    (GetOrderRequest(order_id="no uuid"), "INVALID_FIELD", ["order_id"]),
    (GetOrderRequest(order_id=_ID, min_version=0), "INVALID_FIELD", ["min_version"]),
    (GetOrderRequest(order_id=_ID, at_version=0), "INVALID_FIELD", ["at_version"]),
    (GetOrderRequest(order_id=_ID, min_version=1, at_version=1), "INVALID_FIELD", [""]),
    (GetOrderRequest(order_id=_ID, as_of_time=Timestamp(seconds=10**15)), "INVALID_FIELD", ["as_of_time"]),
    (GetOrderRequest(order_id=_ID, read_mask=FieldMask(paths=["nonsense"])), "INVALID_FIELD", ["read_mask.paths[0]"]),
    (GetOrderRequest(order_id=_ID, read_mask=FieldMask(paths=["status", ""])), "INVALID_FIELD", ["read_mask.paths[1]"]),
    (GetOrderRequest(order_id=_ID, read_mask=FieldMask(paths=["items.sku"])), "INVALID_FIELD", ["read_mask.paths[0]"]),
    (GetOrderRequest(order_id=_ID, read_mask=FieldMask(paths=["status"] * 101)), "INVALID_FIELD", ["read_mask"]),
    (GetOrderRequest(order_id=_ID, consistency_tokens=["no token"]), "TOKEN_INVALID", ["consistency_tokens[0]"]),
    (
        GetOrderRequest(order_id=_ID, consistency_tokens=[token("order", "", 1)]),
        "TOKEN_INVALID",
        ["consistency_tokens[0]"],
    ),
    (
        GetOrderRequest(order_id=_ID, consistency_tokens=[token("order", _ID, 1), token("planet", _ID, 1)]),
        "TOKEN_INVALID",
        ["consistency_tokens[1]"],
    ),
    (
        GetOrderRequest(order_id=_ID, consistency_tokens=[token("order", _ID, 1)] * 101),
        "INVALID_FIELD",
        ["consistency_tokens"],
    ),
    (GetOrderHistoryRequest(order_id=_ID, after_version=-1), "INVALID_FIELD", ["after_version"]),
    (GetCustomerSummaryRequest(customer_id="x"), "INVALID_FIELD", ["customer_id"]),
    (SearchOrdersRequest(query="x" * 501), "INVALID_FIELD", ["query"]),
    (SearchOrdersRequest(query=" ".join("x" * 51)), "INVALID_FIELD", ["query"]),
    (SearchOrdersRequest(limit=10_001), "INVALID_FIELD", ["limit"]),
    (SearchOrdersRequest(count_limit=-1), "INVALID_FIELD", ["count_limit"]),
    (SearchOrdersRequest(facets=[queries_pb2.FACET_UNSPECIFIED]), "INVALID_FIELD", ["facets[0]"]),
    (SearchOrdersRequest(facets=[queries_pb2.FACET_STATUS] * 2), "INVALID_FIELD", ["facets"]),
    (WatchOrdersRequest(filter=OrderFilter(customer_id="x")), "INVALID_FIELD", ["filter.customer_id"]),
    (ListCustomerSummariesRequest(limit=-1), "INVALID_FIELD", ["limit"]),
    (
        ListCustomerSummariesRequest(filter=OrderFilter(max_total=_NOBODYS)),
        "INVALID_FIELD",
        ["filter.max_total.currency_code"],
    ),
    (ListCustomerSummariesRequest(resume_token="x"), "TOKEN_INVALID", ["resume_token"]),
    (
        GetCustomerSummaryRequest(customer_id=CUSTOMER_ID, consistency_tokens=["x"]),
        "TOKEN_INVALID",
        ["consistency_tokens[0]"],
    ),
    (WatchOrdersRequest(filter=OrderFilter(max_total=_NOBODYS)), "INVALID_FIELD", ["filter.max_total.currency_code"]),
    (WatchOrdersRequest(resume_token="x"), "TOKEN_INVALID", ["resume_token"]),
]

_BAD_FOR_LISTS: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"limit": -1}, "INVALID_FIELD", ["limit"]),
    ({"order_by": "customer_name"}, "INVALID_FIELD", ["order_by"]),
    ({"order_by": "create_time,create_time desc"}, "INVALID_FIELD", ["order_by"]),
    ({"order_by": "create_time downwards"}, "INVALID_FIELD", ["order_by"]),
    ({"order_by": "_score"}, "INVALID_FIELD", ["order_by"]),
    ({"resume_token": "x"}, "TOKEN_INVALID", ["resume_token"]),
    ({"resume_token": "x" * 16385}, "INVALID_FIELD", ["resume_token"]),
    ({"consistency_tokens": ["x"]}, "TOKEN_INVALID", ["consistency_tokens[0]"]),
    ({"filter": OrderFilter(customer_id="x")}, "INVALID_FIELD", ["filter.customer_id"]),
    ({"filter": OrderFilter(statuses=[0])}, "INVALID_FIELD", ["filter.statuses[0]"]),  # type: ignore[list-item]
    ({"filter": OrderFilter(statuses=[99])}, "INVALID_FIELD", ["filter.statuses[0]"]),  # type: ignore[list-item]
    ({"filter": OrderFilter(statuses=[ORDER_STATUS_PENDING] * 21)}, "INVALID_FIELD", ["filter.statuses"]),
    ({"filter": OrderFilter(tracking_number="x" * 65)}, "INVALID_FIELD", ["filter.tracking_number"]),
    ({"filter": OrderFilter(min_total=_YEN_WITH_SEN)}, "INVALID_FIELD", ["filter.min_total.nanos"]),
    ({"filter": OrderFilter(max_total=_NOBODYS)}, "INVALID_FIELD", ["filter.max_total.currency_code"]),
    ({"filter": OrderFilter(max_total=Money(units=1))}, "INVALID_FIELD", ["filter.max_total"]),
    (
        {
            "filter": OrderFilter(
                min_total=Money(currency_code="EUR", units=1), max_total=Money(currency_code="USD", units=2)
            )
        },
        "INVALID_FIELD",
        ["filter"],
    ),
    (
        {
            "filter": OrderFilter(
                create_time_range=Interval(start_time=Timestamp(seconds=2), end_time=Timestamp(seconds=1))
            )
        },
        "INVALID_FIELD",
        ["filter.create_time_range"],
    ),
    (
        {"filter": OrderFilter(create_time_range=Interval(start_time=Timestamp(seconds=10**15)))},
        "INVALID_FIELD",
        ["filter.create_time_range"],
    ),
]
_BAD += [
    (make(**fields), reason, field)
    for fields, reason, field in _BAD_FOR_LISTS
    for make in (ListOrdersRequest, SearchOrdersRequest)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def queries() -> AsyncIterator[Queries]:
    """One server for all bad requests: none of them gets as far as its servers."""
    async with running_service() as queries:
        yield queries


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("request_", "reason", "fields"), _BAD, ids=str)
async def test_a_bad_request_is_refused_naming_its_field(
    request_: Any, reason: str, fields: list[str], queries: Queries
) -> None:
    refusal = await refusal_of(queries.call(request_))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert refusal.fields == fields
