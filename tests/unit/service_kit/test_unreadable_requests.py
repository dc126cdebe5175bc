"""Requests that are no message of their type, or hold times that no clock can show."""

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from google.type.interval_pb2 import Interval

from orderflow.orders.v1 import queries_pb2 as queries
from service_kit.grpc_times import impossible_times
from tests.unit.service_kit.in_process import Server, detail, info_of, serving, status_of

ORDER_ID = "0f9d1c3e-6f0b-4c52-9a3e-2f6f0f5c7a10"


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["no fields", "no UTF-8"])
@pytest.mark.parametrize("method", ["GetOrder", "ListOrders"])
async def test_bytes_that_are_no_request_are_an_invalid_field_in_our_own_words(method: str, data: bytes) -> None:
    async with serving() as server:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _send(server, method, data)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(status_of(refused.value)).reason == "INVALID_FIELD"
    assert "google" not in str(refused.value.details())


@pytest.mark.parametrize(
    "wrong", [Timestamp(nanos=-5), Timestamp(nanos=10**9), Timestamp(seconds=2**62), Timestamp(seconds=-(2**62))]
)
async def test_a_time_that_no_clock_shows_is_refused_by_its_field(wrong: Timestamp) -> None:
    async with serving() as server:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.get(queries.GetOrderRequest(order_id=ORDER_ID, as_of_time=wrong))
    bad = detail(status_of(refused.value), error_details_pb2.BadRequest)
    assert "as_of_time" in [each.field for each in bad.field_violations]


def test_times_are_found_inside_other_messages() -> None:
    good, wrong = Timestamp(seconds=1), Timestamp(nanos=-1)
    range_ = Interval(start_time=wrong, end_time=good)
    request = queries.ListOrdersRequest(filter=queries.OrderFilter(create_time_range=range_))
    assert impossible_times(request) == ["filter.create_time_range.start_time"]
    assert impossible_times(queries.ListOrdersRequest()) == []


async def _send(server: Server, method: str, data: Any) -> None:
    path = f"/orderflow.orders.v1.OrderQueryService/{method}"
    if method == "GetOrder":
        await server.channel.unary_unary(path)(data)
        return
    async for _ in server.channel.unary_stream(path)(data):
        pass
