"""ListOrders and SearchOrders show what their tokens name, or say that they do not."""

import asyncio
import uuid

import grpc
import pytest

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_CONFIRMED, ORDER_STATUS_PENDING
from orderflow.orders.v1.queries_pb2 import OrderFilter
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import CUSTOMER_ID, an_order, newer
from tests.support.eventually import eventually


@pytest.fixture
async def rarely_refreshed(read_model: ReadModel) -> ReadModel:
    """An index whose own refresh never comes to a test's help."""
    await read_model.client.indices.put_settings(index=read_model.index, settings={"refresh_interval": "-1"})
    return read_model


async def test_a_list_waits_for_an_order_that_is_written_later(rarely_refreshed: ReadModel, queries: Queries) -> None:
    order = an_order()
    call = asyncio.create_task(queries.list_(consistency_tokens=[token("order", order.order_id, 1)]))
    await _has_looked(rarely_refreshed)
    await rarely_refreshed.write([order])
    (chunk,) = await call
    assert list(chunk.orders) == [order]
    assert chunk.freshness.tokens_seen == 1
    assert 0 < chunk.freshness.wait_duration.ToMilliseconds() < 5000
    assert await rarely_refreshed.open_points_in_time() == 0


async def test_a_search_waits_for_the_newest_of_several_tokens(rarely_refreshed: ReadModel, queries: Queries) -> None:
    order = an_order()
    await rarely_refreshed.put(order)
    tokens = [token("order", order.order_id, version) for version in (1, 2)]
    call = asyncio.create_task(queries.search("tea", consistency_tokens=tokens))
    await _has_looked(rarely_refreshed)
    await rarely_refreshed.write([newer(order, tracking_number="T")])
    (chunk,) = await call
    assert [each.version for each in chunk.orders] == [2]
    assert chunk.freshness.tokens_seen == 2


async def test_what_is_there_already_is_not_waited_for(read_model: ReadModel, queries: Queries) -> None:
    order = an_order()
    await read_model.put(order)
    (chunk,) = await queries.list_(consistency_tokens=[token("order", order.order_id, 1)])
    assert chunk.freshness.wait_duration.ToNanoseconds() == 0


async def test_an_order_that_left_the_filter_counts_as_seen(rarely_refreshed: ReadModel, queries: Queries) -> None:
    order = an_order()
    await rarely_refreshed.put(order)
    asked = OrderFilter(statuses=[ORDER_STATUS_PENDING])
    call = asyncio.create_task(queries.list_(filter=asked, consistency_tokens=[token("order", order.order_id, 2)]))
    await _has_looked(rarely_refreshed)
    await rarely_refreshed.write([newer(order, status=ORDER_STATUS_CONFIRMED)])
    (chunk,) = await call
    assert not chunk.orders


async def test_a_customers_change_is_seen_when_all_of_its_orders_show_it(
    rarely_refreshed: ReadModel, queries: Queries
) -> None:
    orders = [an_order(customer_version=1) for _ in range(3)]
    await rarely_refreshed.put(*orders, an_order(customer_id=str(uuid.uuid4()), customer_version=0))
    call = asyncio.create_task(queries.search("king", consistency_tokens=[token("customer", CUSTOMER_ID, 2)]))
    await _has_looked(rarely_refreshed)
    for order in orders:
        await rarely_refreshed.put(an_order(order_id=order.order_id, customer_version=2, customer_name="Ada King"))
    (chunk,) = await call
    assert chunk.total == 3


@pytest.mark.parametrize("aggregate_type", ["customer", "stock_item"])
async def test_what_no_order_can_show_is_not_waited_for(
    aggregate_type: str, read_model: ReadModel, queries: Queries
) -> None:
    await read_model.put(an_order())
    (chunk,) = await queries.list_(consistency_tokens=[token(aggregate_type, str(uuid.uuid4()), 7)])
    assert len(chunk.orders) == 1
    assert chunk.freshness.wait_duration.ToNanoseconds() == 0


@pytest.mark.parametrize(("aggregate_type", "seen"), [("order", 1), ("customer", 1)])
async def test_what_does_not_become_visible_in_time_is_refused(
    aggregate_type: str, seen: int, read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service(consistency_wait_seconds=0.3)
    order = an_order()
    await read_model.put(order)
    aggregate_id = order.order_id if aggregate_type == "order" else CUSTOMER_ID
    for call in (queries.list_, queries.search):
        refusal = await refusal_of(call(consistency_tokens=[token(aggregate_type, aggregate_id, 2)]))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "EVENTUAL_CONSISTENCY_TIMEOUT")
        assert refusal.metadata == {
            "aggregate": f"{aggregate_type}/{aggregate_id}",
            "wanted_version": "2",
            "seen_version": str(seen),
        }
        assert refusal.has_retry_info
        assert refusal.trailers["grpc-retry-pushback-ms"] == "-1"
    assert await read_model.open_points_in_time() == 0


async def test_a_continued_list_shows_what_its_tokens_name(rarely_refreshed: ReadModel, queries: Queries) -> None:
    await rarely_refreshed.put(*(an_order() for _ in range(150)))
    first = await queries.list_(order_by="update_time", limit=100)
    late = an_order()
    await rarely_refreshed.write([late])
    rest = await queries.list_(
        order_by="update_time",
        resume_token=first[-1].resume_token,
        consistency_tokens=[token("order", late.order_id, 1)],
    )
    assert rest[0].freshness.tokens_seen == 1
    assert rest[0].freshness.as_of_time.ToDatetime() > first[0].freshness.as_of_time.ToDatetime()


async def _has_looked(read_model: ReadModel) -> None:
    """Returns once the service has searched, that is looked in vain for the first time."""
    before = await read_model.searches()

    async def has_searched() -> bool:
        return await read_model.searches() > before

    await eventually(has_searched)
