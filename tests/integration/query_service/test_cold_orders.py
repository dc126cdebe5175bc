"""GetOrder of what the cache has not: read once for all who ask, and never more at a time than Elasticsearch bears."""

import asyncio
import uuid
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from orderflow.common.v1.consistency_pb2 import READ_SOURCE_CACHE, READ_SOURCE_READ_MODEL
from query_service import order_cache, order_reads
from service_kit.view_cache import CachedView, Lease, ViewCache
from tests.integration.query_service.client import Queries, Refusal, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.gate import Gate, asks, gate
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import an_order, newer
from tests.support.eventually import eventually
from tests.support.servers import READ_ES_URL, REDIS_URL

_AWAY = "redis://127.0.0.1:1/0"


async def test_five_hundred_who_ask_at_once_make_one_read(read_model: ReadModel, start_service: StartService) -> None:
    queries = await start_service()
    order = an_order()
    await read_model.write([order])
    before = await read_model.reads()
    answers = await asyncio.gather(*(queries.get(order.order_id) for _ in range(500)))
    assert all(answer.order == order for answer in answers)
    assert await read_model.reads() - before == 1


async def test_so_do_those_who_ask_several_servers(read_model: ReadModel, start_service: StartService) -> None:
    order = an_order()
    await read_model.write([order])
    servers = [await start_service() for _ in range(3)]
    before = await read_model.reads()
    answers = await asyncio.gather(*(servers[number % 3].get(order.order_id) for number in range(300)))
    assert all(answer.order == order for answer in answers)
    assert await read_model.reads() - before == 1


async def test_an_order_that_does_not_exist_is_read_once_too(
    read_model: ReadModel, start_service: StartService
) -> None:
    servers = [await start_service() for _ in range(2)]
    order_id = str(uuid.uuid4())
    before = await read_model.reads()
    refusals = await asyncio.gather(*(refusal_of(servers[number % 2].get(order_id)) for number in range(100)))
    assert {each.reason for each in refusals} == {"ORDER_NOT_FOUND"}
    assert await read_model.reads() - before == 1


async def test_a_written_order_is_found_at_once_though_it_was_not_there_a_moment_ago(
    read_model: ReadModel, redis: "Redis", queries: Queries
) -> None:
    order = an_order()
    assert (await refusal_of(queries.get(order.order_id))).reason == "ORDER_NOT_FOUND"
    await read_model.write([order])
    answer = await queries.get(order.order_id, min_version=1)  # overrules what the cache says
    assert (answer.order, answer.freshness.source) == (order, READ_SOURCE_READ_MODEL)
    assert answer.freshness.wait_duration.ToNanoseconds() == 0

    other = an_order()
    assert (await refusal_of(queries.get(other.order_id))).reason == "ORDER_NOT_FOUND"
    views = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
    await views.put(other.order_id, CachedView(1, 1, 1, other.SerializeToString()))  # as the projector does
    assert (await queries.get(other.order_id)).order == other


async def test_a_process_that_died_while_it_read_is_not_waited_for_long(
    read_model: ReadModel, redis: "Redis", queries: Queries
) -> None:
    order = an_order()
    await read_model.write([order])
    views = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
    assert await views.lease(order.order_id, timedelta(seconds=0.5)) == Lease.OURS
    assert (await queries.get(order.order_id, seconds=20)).order == order


async def test_a_flushed_cache_costs_one_read_an_order(
    read_model: ReadModel, redis: "Redis", start_service: StartService
) -> None:
    queries = await start_service()
    orders = [an_order() for _ in range(20)]
    await read_model.write(orders)
    for _ in range(2):
        before = await read_model.reads()
        answers = await asyncio.gather(*(queries.get(order.order_id) for order in orders * 20))
        assert [answer.order for answer in answers] == orders * 20
        assert await read_model.reads() - before == len(orders)
        await redis.delete(*(f"order:read:{order.order_id}" for order in orders))  # the database has other tests, too


async def test_all_share_a_read_without_the_cache_too_and_who_gives_up_ends_it_for_nobody(
    read_model: ReadModel, start_service: StartService
) -> None:
    order = an_order()
    await read_model.write([order])
    async with _gate_of_reads() as reads:
        queries = await start_service(read_es_url=reads.http_url, redis_url=_AWAY)
        reads.close()
        first = asyncio.create_task(queries.get(order.order_id))
        await eventually(lambda: reads.holds(1))
        second = asyncio.create_task(queries.get(order.order_id))
        with pytest.raises(grpc.aio.AioRpcError):
            await queries.get(order.order_id, seconds=0.2)
        first.cancel()
        reads.open()
        assert (await second).order == order
    assert reads.most_waiting == 1


async def test_who_gives_up_a_read_leaves_it_to_others_at_once(
    read_model: ReadModel, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_cache, "_LEASE", timedelta(minutes=5))
    order = an_order()
    await read_model.write([order])
    other = await start_service()
    async with _gate_of_reads() as reads:
        queries = await start_service(read_es_url=reads.http_url)
        reads.close()
        first = asyncio.create_task(queries.get(order.order_id))
        await eventually(lambda: reads.holds(1))
        first.cancel()
        assert (await other.get(order.order_id, seconds=30)).order == order


async def test_a_read_that_failed_is_waited_for_by_nobody(
    read_model: ReadModel, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_cache, "_LEASE", timedelta(minutes=5))
    async with _gate_of_reads() as reads:
        servers = [await start_service(read_es_url=reads.http_url) for _ in range(2)]
        await read_model.delete()
        order_id = str(uuid.uuid4())
        reads.close()
        first = asyncio.create_task(refusal_of(servers[0].get(order_id, seconds=30)))
        await eventually(lambda: reads.holds(1))
        others = [asyncio.create_task(refusal_of(server.get(order_id, seconds=30))) for server in servers]
        reads.open()
        refusals = await asyncio.gather(first, *others)
        assert {(each.code, each.reason) for each in refusals} == {
            (grpc.StatusCode.UNAVAILABLE, "READ_MODEL_UNAVAILABLE")
        }


async def test_without_the_cache_a_process_remembers_what_it_has_read_a_moment_ago(
    read_model: ReadModel, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reads, "_REMEMBERED_SECONDS", 600)
    queries = await start_service(redis_url=_AWAY)
    order = an_order()
    await read_model.write([order])
    before = await read_model.reads()
    for _ in range(30):
        assert (await queries.get(order.order_id)).order == order
    assert await read_model.reads() - before == 1


@pytest.mark.parametrize("seen", [{"min_version": 2}, {"consistency_tokens": [token("stock_item", "x", 1)]}], ids=str)
async def test_what_is_remembered_is_never_shown_to_who_must_see_the_newest_and_not_older_to_others_after_that(
    seen: dict[str, Any], read_model: ReadModel, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reads, "_REMEMBERED_SECONDS", 600)
    queries = await start_service(redis_url=_AWAY)
    order = an_order()
    await read_model.write([order])
    await queries.get(order.order_id)
    await read_model.write([newer(order)])
    answer = await queries.get(order.order_id, **seen)
    assert answer.order == newer(order)
    assert answer.freshness.wait_duration.ToNanoseconds() == 0
    assert (await queries.get(order.order_id)).order == newer(order)


async def test_what_is_remembered_is_forgotten_soon(read_model: ReadModel, start_service: StartService) -> None:
    queries = await start_service(redis_url=_AWAY)
    order = an_order()
    await read_model.write([order])
    await queries.get(order.order_id)
    await read_model.write([newer(order)])

    async def is_shown() -> bool:
        return (await queries.get(order.order_id)).order == newer(order)

    await eventually(is_shown, within=5)


async def test_with_the_cache_a_process_remembers_nothing(
    read_model: ReadModel, redis: "Redis", start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reads, "_REMEMBERED_SECONDS", 600)
    queries = await start_service()
    order = an_order()
    await read_model.write([order])
    await queries.get(order.order_id)
    await read_model.write([newer(order)])
    await redis.delete(f"order:read:{order.order_id}")
    assert (await queries.get(order.order_id)).order == newer(order)


@pytest.mark.parametrize("cache_is_away", [True, False], ids=["cache-away", "cache-there"])
async def test_no_more_are_read_at_once_than_may_and_no_more_wait(
    cache_is_away: bool,  # noqa: FBT001
    read_model: ReadModel,
    start_service: StartService,
) -> None:
    orders = [an_order() for _ in range(8)]
    await read_model.write(orders)
    async with _gate_of_reads() as reads:
        away = {"redis_url": _AWAY} if cache_is_away else {}
        queries = await start_service(read_es_url=reads.http_url, index_gets_at_once=3, waiting_index_gets=7, **away)
        reads.close()
        calls = [asyncio.create_task(_answer_or_refusal(queries, order.order_id)) for order in orders]
        (refused,), waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        refusal = await refused
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert refusal.has_retry_info
        await eventually(lambda: reads.holds(3))
        reads.open()
        answers = await asyncio.gather(*waiting)
        assert not any(isinstance(answer, Refusal) for answer in answers)
    assert reads.most_waiting == 3


async def test_a_lease_that_comes_for_a_call_that_was_cancelled_meanwhile_is_given_back(
    read_model: ReadModel, redis: "Redis", start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_cache, "_LEASE", timedelta(minutes=5))
    order = an_order()
    await read_model.write([order])
    views = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
    await views.lease(str(uuid.uuid4()), timedelta(seconds=1))  # Redis has the script from here on
    other = await start_service()
    async with gate(REDIS_URL.split("/")[2], lambda data: b"EVALSHA" in data, answers=True) as leases:
        queries = await start_service(redis_url=f"redis://{leases.address}/0")
        leases.close()
        cancelled = asyncio.create_task(queries.get(order.order_id))
        await eventually(lambda: leases.holds(1))
        cancelled.cancel()
        await queries.until_healthy()  # on the same connection, so that the server knows of the cancellation
        leases.open()
        assert (await other.get(order.order_id, seconds=30)).order == order


async def test_a_reader_whom_the_projection_overtakes_puts_nothing_old_into_the_cache(
    read_model: ReadModel, redis: "Redis", start_service: StartService
) -> None:
    order = an_order()
    after = newer(order)
    await read_model.write([order])
    views = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=60))
    async with _gate_of_reads(answers=True) as reads:
        queries = await start_service(read_es_url=reads.http_url)
        reads.close()
        reading = asyncio.create_task(queries.get(order.order_id))
        await eventually(lambda: reads.holds(1))
        await read_model.write([after])
        await views.put(order.order_id, CachedView(1, 2, after.customer_version, after.SerializeToString()))
        reads.open()
        assert (await reading).order == order, "as it was when it was read"
        answer = await queries.get(order.order_id)
        assert (answer.order, answer.freshness.source) == (after, READ_SOURCE_CACHE)


def _gate_of_reads(*, answers: bool = False) -> AbstractAsyncContextManager[Gate]:
    """Stands before the real Elasticsearch and, while closed, holds reads of documents by id, or their answers."""
    return gate(READ_ES_URL.removeprefix("http://"), asks("GET", "/_doc/"), answers=answers)


async def _answer_or_refusal(queries: Queries, order_id: str) -> object:
    try:
        return await queries.get(order_id)
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
