"""GetOrder waits until the view shows what the caller must see, or says that it does not."""

import asyncio
import time
import uuid

import grpc
import pytest

from service_kit.grpc_channel import open_channel
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import CUSTOMER_ID, an_order, newer
from tests.support.eventually import eventually


async def test_the_answer_shows_the_wanted_version_as_soon_as_it_arrives(
    read_model: ReadModel, queries: Queries
) -> None:
    order = an_order()
    await read_model.write([order])
    call = asyncio.create_task(queries.get(order.order_id, min_version=2))
    await eventually(lambda: _has_read(read_model, 1))
    await read_model.write([newer(order)])
    answer = await call
    assert answer.order.version == 2
    assert 0 < answer.freshness.wait_duration.ToMilliseconds() < 5000


async def test_a_token_of_a_new_order_is_waited_for(read_model: ReadModel, queries: Queries) -> None:
    order = an_order()
    asked = [token("order", order.order_id, 1)]
    call = asyncio.create_task(queries.get(order.order_id, consistency_tokens=asked))
    await eventually(lambda: _has_read(read_model, 1))
    await read_model.write([order])
    assert (await call).order == order


async def test_a_cached_view_that_is_too_old_is_not_shown(read_model: ReadModel, queries: Queries) -> None:
    order = an_order()
    await read_model.write([order])
    await queries.get(order.order_id)
    await read_model.write([newer(order)])
    answer = await queries.get(order.order_id, consistency_tokens=[token("order", order.order_id, 2)])
    assert answer.order.version == 2
    assert answer.freshness.wait_duration.ToNanoseconds() == 0


async def test_a_version_that_does_not_arrive_is_refused_with_what_was_seen(
    read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service(consistency_wait_seconds=0.3)
    order = an_order()
    await read_model.write([order])
    refusal = await refusal_of(queries.get(order.order_id, min_version=3))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "EVENTUAL_CONSISTENCY_TIMEOUT")
    assert refusal.metadata == {
        "aggregate": f"order/{order.order_id}",
        "wanted_version": "3",
        "seen_version": "1",
    }
    assert refusal.has_retry_info
    assert refusal.trailers["grpc-retry-pushback-ms"] == "-1"


async def test_an_order_that_never_appears_is_refused_as_not_yet_visible(start_service: StartService) -> None:
    queries = await start_service(consistency_wait_seconds=0.3)
    order_id = str(uuid.uuid4())
    refusal = await refusal_of(queries.get(order_id, consistency_tokens=[token("order", order_id, 1)]))
    assert (refusal.reason, refusal.metadata["seen_version"]) == ("EVENTUAL_CONSISTENCY_TIMEOUT", "0")


async def test_the_callers_deadline_shortens_the_wait(queries: Queries) -> None:
    begin = time.monotonic()
    refusal = await refusal_of(queries.get(str(uuid.uuid4()), min_version=1, seconds=0.8))
    assert refusal.reason == "EVENTUAL_CONSISTENCY_TIMEOUT"
    assert time.monotonic() - begin < 0.8


async def test_a_channel_that_retries_does_not_multiply_the_wait(start_service: StartService) -> None:
    queries = await start_service(consistency_wait_seconds=0.5)
    async with open_channel(queries.address) as channel:
        begin = time.monotonic()
        await refusal_of(Queries(channel).get(str(uuid.uuid4()), min_version=1))
    assert time.monotonic() - begin < 1.0


async def test_a_customers_change_is_waited_for_in_the_customers_order(read_model: ReadModel, queries: Queries) -> None:
    order = an_order(customer_version=1)
    await read_model.write([order])
    call = asyncio.create_task(queries.get(order.order_id, consistency_tokens=[token("customer", CUSTOMER_ID, 2)]))
    await eventually(lambda: _has_read(read_model, 1))
    renamed = an_order(order_id=order.order_id, customer_version=2, customer_name="Ada King")
    await read_model.write([renamed])
    assert (await call).order == renamed


@pytest.mark.parametrize("aggregate_type", ["order", "customer", "stock_item"])
async def test_what_this_order_cannot_show_is_not_waited_for(
    aggregate_type: str, read_model: ReadModel, queries: Queries
) -> None:
    order = an_order()
    await read_model.write([order])
    answer = await queries.get(order.order_id, consistency_tokens=[token(aggregate_type, str(uuid.uuid4()), 9)])
    assert answer.order == order
    assert answer.freshness.wait_duration.ToNanoseconds() == 0


async def _has_read(read_model: ReadModel, times: int) -> bool:
    return await read_model.reads() >= times
