"""GetOrder: from the cache or the index, and never wrong."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from redis.asyncio import Redis

from orderflow.common.v1.consistency_pb2 import READ_SOURCE_CACHE, READ_SOURCE_READ_MODEL
from orderflow.orders.v1.views_pb2 import OrderView
from query_service import order_cache
from query_service.order_cache import OrderCache
from query_service.stored_order import StoredOrder
from service_kit.view_cache import CachedView, ViewCache
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService, free_port
from tests.integration.query_service.read_model import PROJECT_TIME_US, ReadModel
from tests.integration.query_service.views import an_order, newer


async def test_an_order_comes_from_the_index_first_and_then_from_the_cache(
    read_model: ReadModel, queries: Queries
) -> None:
    order = an_order()
    await read_model.write([order])
    first = await queries.get(order.order_id)
    second = await queries.get(order.order_id.upper())
    assert first.order == second.order == order
    assert first.freshness.source == READ_SOURCE_READ_MODEL
    assert second.freshness.source == READ_SOURCE_CACHE
    for freshness in (first.freshness, second.freshness):
        assert freshness.project_time.ToMicroseconds() == PROJECT_TIME_US
        assert freshness.wait_duration.ToNanoseconds() == 0


async def test_a_written_order_is_there_at_once_without_a_refresh(read_model: ReadModel, queries: Queries) -> None:
    await read_model.client.indices.put_settings(index=read_model.index, settings={"refresh_interval": "-1"})
    order = an_order()
    await read_model.write([order])
    assert (await queries.get(order.order_id)).order == order


async def test_an_unknown_order_is_not_found(queries: Queries) -> None:
    refusal = await refusal_of(queries.get(str(uuid.uuid4())))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND")


async def test_what_is_put_into_the_cache_expires(
    read_model: ReadModel, redis: "Redis", start_service: StartService
) -> None:
    queries = await start_service(cache_ttl_seconds=100)
    order = an_order()
    await read_model.write([order])
    await queries.get(order.order_id)
    assert 85 <= await redis.ttl(f"order:read:{order.order_id}") <= 110


def _entry(shown: OrderView, **fields: str | bytes | int) -> Mapping[Any, Any]:
    entry = {"generation": 1, "version": shown.version, "source_version": shown.customer_version, "project_time_us": 1}
    return {**entry, "view": shown.SerializeToString(), **fields}


_OTHER = an_order(version=1)


@pytest.mark.parametrize(
    "garbage",
    [
        "a string",
        {"generation": "1"},
        _entry(_OTHER),
        _entry(_OTHER, view=b"\xff\xff no view"),
        _entry(_OTHER, version="seven"),
        _entry(_OTHER, view=b""),
    ],
    ids=["another-type", "fields-missing", "another-orders-view", "unreadable-view", "no-number", "empty-view"],
)
async def test_garbage_in_the_cache_is_read_around(
    garbage: str | Mapping[Any, Any], read_model: ReadModel, redis: "Redis", queries: Queries
) -> None:
    order = an_order()
    await read_model.write([order])
    key = f"order:read:{order.order_id}"
    if isinstance(garbage, str):
        await redis.set(key, garbage, ex=60)
    else:
        await redis.hset(key, mapping=dict(garbage))
        await redis.expire(key, 60)
    answer = await queries.get(order.order_id)
    assert answer.order == order
    assert answer.freshness.source == READ_SOURCE_READ_MODEL


async def test_a_view_whose_version_its_entry_belies_is_read_around(
    read_model: ReadModel, redis: "Redis", queries: Queries
) -> None:
    order = newer(an_order())
    await read_model.write([order])
    key = f"order:read:{order.order_id}"
    await redis.hset(key, mapping=dict(_entry(an_order(order_id=order.order_id, version=1), version=2)))
    await redis.expire(key, 60)
    assert (await queries.get(order.order_id)).order == order


async def test_a_slow_reader_cannot_put_an_older_view_back(redis: "Redis", queries: Queries) -> None:
    read_by_the_slow_one = an_order()
    written_since = newer(read_by_the_slow_one)
    views = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
    await views.put(
        written_since.order_id, CachedView(1, 2, written_since.customer_version, written_since.SerializeToString())
    )
    slow_reader = OrderCache(views)
    await slow_reader.put(StoredOrder(read_by_the_slow_one, READ_SOURCE_READ_MODEL, 1, PROJECT_TIME_US))
    assert (await queries.get(written_since.order_id)).order == written_since


async def test_orders_are_shown_while_the_cache_is_away(read_model: ReadModel, start_service: StartService) -> None:
    queries = await start_service(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    order = an_order()
    await read_model.write([order])
    for _ in range(3):
        assert (await queries.get(order.order_id)).order == order


async def test_a_cache_that_does_not_answer_is_waited_for_once(
    read_model: ReadModel, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_cache, "_BYPASS_SECONDS", 60.0)
    asked = 0

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    order = an_order()
    await read_model.write([order])
    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        queries = await start_service(redis_url=f"redis://127.0.0.1:{port}/0", cache_timeout_seconds=0.15)
        for _ in range(10):
            assert (await queries.get(order.order_id)).order == order
    assert asked == 1


async def test_without_elasticsearch_only_cached_orders_are_shown(redis: "Redis", start_service: StartService) -> None:
    queries = await start_service(read_es_url=f"http://127.0.0.1:{free_port()}", until_healthy=False)
    order = an_order()
    views = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
    await views.put(order.order_id, CachedView(1, 1, 1, order.SerializeToString()))
    assert (await queries.get(order.order_id)).order == order
    for call in (queries.get(str(uuid.uuid4())), queries.list_(), queries.search("tea")):
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_MODEL_UNAVAILABLE")


async def test_without_an_index_the_read_model_is_unavailable(start_service: StartService) -> None:
    queries = await start_service(read_index_prefix=f"none-{uuid.uuid4().hex}", until_healthy=False)
    for call in (queries.get(str(uuid.uuid4())), queries.list_(), queries.search("tea")):
        assert (await refusal_of(call)).reason == "READ_MODEL_UNAVAILABLE"


async def test_a_read_mask_leaves_only_its_fields(read_model: ReadModel, queries: Queries) -> None:
    order = an_order(customer_name="Ada")
    order.shipping_address.locality = "Bern"
    order.shipping_address.recipient = "Ada"
    await read_model.write([order])
    for _ in range(2):
        answer = await queries.get(
            order.order_id, read_mask=FieldMask(paths=["version", "shipping_address.locality", "item_names"])
        )
        expected = OrderView(version=1, item_names=order.item_names)
        expected.shipping_address.locality = "Bern"
        assert answer.order == expected
