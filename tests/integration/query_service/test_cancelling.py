"""What a call has taken it gives back when it is cancelled or its time is up, wherever it is just then."""

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from orderflow.orders.v1.queries_pb2 import (
    GetCustomerSummaryRequest,
    ListCustomerSummariesRequest,
    ListOrdersRequest,
    SearchOrdersRequest,
)
from tests.integration.query_service.client import Queries
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.gate import Chosen, asks, gate
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import CUSTOMER_ID, an_order
from tests.support.eventually import eventually
from tests.support.servers import READ_ES_URL

_UNSEEN = [token("order", str(uuid.uuid4()), 1)]
_ELASTICSEARCH = READ_ES_URL.removeprefix("http://")
_REQUESTS = [
    ListOrdersRequest(),
    ListOrdersRequest(order_by="update_time"),
    SearchOrdersRequest(query="tea", limit=1000),
    ListCustomerSummariesRequest(),
    GetCustomerSummaryRequest(customer_id=CUSTOMER_ID),
]
_OPENING, _SEARCHING, _CLOSING = asks("POST", "/_pit"), asks("POST", " /_search"), asks("DELETE", "/_pit")


@pytest.mark.parametrize(
    ("stage", "answers"),
    [(_OPENING, False), (_OPENING, True), (_SEARCHING, False), (_SEARCHING, True), (_CLOSING, False)],
    ids=["asking-to-open", "opened", "asking-to-search", "searched", "asking-to-close"],
)
async def test_a_cancelled_call_leaves_no_point_in_time(
    stage: Chosen,
    answers: bool,  # noqa: FBT001
    read_model: ReadModel,
    start_service: StartService,
) -> None:
    await read_model.put(an_order())
    async with gate(_ELASTICSEARCH, stage, answers=answers) as held:
        queries = await start_service(read_es_url=held.http_url)
        held.close()
        calls = [asyncio.create_task(queries.call(each)) for each in _REQUESTS]
        await eventually(lambda: held.holds(len(calls)))
        for each in calls:
            each.cancel()
        await _cancellation_has_arrived(queries)
        held.open()
        await _none_is_open(read_model)


async def test_a_call_that_is_cancelled_while_it_waits_for_a_token_leaves_no_point_in_time(
    read_model: ReadModel, start_service: StartService
) -> None:
    async with gate(_ELASTICSEARCH, asks("POST", "/_refresh")) as held:
        queries = await start_service(read_es_url=held.http_url)
        held.close()
        call = asyncio.create_task(queries.list_(consistency_tokens=_UNSEEN))
        await eventually(lambda: held.holds(1))
        call.cancel()
        await _cancellation_has_arrived(queries)
        held.open()
        await _none_is_open(read_model)


@pytest.mark.parametrize(
    ("stage", "answers"), [(_OPENING, True), (_SEARCHING, False)], ids=["opened", "asking-to-search"]
)
async def test_a_call_ends_at_its_deadline_whatever_it_waits_for_and_leaves_no_point_in_time(
    stage: Chosen,
    answers: bool,  # noqa: FBT001
    read_model: ReadModel,
    start_service: StartService,
) -> None:
    await read_model.put(an_order())
    async with gate(_ELASTICSEARCH, stage, answers=answers) as held:
        queries = await start_service(read_es_url=held.http_url, read_timeout_seconds=600)
        held.close()
        codes = await asyncio.gather(*(_code_of(queries.call(each, seconds=1)) for each in _REQUESTS))
        assert set(codes) <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
        await _cancellation_has_arrived(queries)
        held.open()
        await _none_is_open(read_model)


async def test_a_list_that_is_not_read_to_its_end_by_its_deadline_leaves_no_point_in_time(
    read_model: ReadModel, queries: Queries
) -> None:
    await read_model.put(*(an_order(cancel_reason="x" * 10_000) for _ in range(1000)))
    unread = queries.stub.ListOrders(ListOrdersRequest(), timeout=2)
    assert await unread.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await _none_is_open(read_model)


async def _code_of(call: Awaitable[Any]) -> grpc.StatusCode:
    """The status of a call that is not answered."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code()


async def _cancellation_has_arrived(queries: Queries) -> None:
    """Returns when the server has answered what was asked on the same connection after a cancellation."""
    await queries.until_healthy()


async def _none_is_open(read_model: ReadModel) -> None:
    async def none_is_open() -> bool:
        return await read_model.open_points_in_time() == 0

    await eventually(none_is_open, what="no open point in time")
