"""Neighbors that are away or busy delay the projection; nothing is lost and nothing is done twice."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.projector.conftest import Logs, Settings, free_address, running
from tests.integration.projector.elasticsearch_proxy import (
    Answer,
    Bulk,
    ElasticsearchProxy,
    every_other_is_turned_away,
    refused,
    written_but_refused,
)
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.tcp_proxy import TcpProxy
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.support.servers import REDIS_URL
from tests.unit.read_models.builders import confirmed, created

_ORDERS = 20


@pytest.fixture
async def elasticsearch(settings: Settings) -> AsyncIterator[ElasticsearchProxy]:
    """What the projector takes for Elasticsearch."""
    proxy = ElasticsearchProxy()
    settings["read_es_url"] = await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[TcpProxy]:
    """What the projector takes for Redis."""
    proxy = TcpProxy(REDIS_URL.removeprefix("redis://").partition("/")[0], free_address())
    await proxy.start()
    settings["redis_url"] = f"redis://{proxy.address}/0"
    yield proxy
    await proxy.stop()


async def _some_orders(write_side: WriteSide, customer_id: str) -> list[str]:
    """Twenty orders, created and confirmed."""
    write_side.record_customer(customer_id, "Zoë")
    ids = [str(uuid.uuid4()) for _ in range(_ORDERS)]
    write_side.publish(*write_side.record(*(created(order_id=each, customer_id=customer_id) for each in ids)))
    write_side.publish(*write_side.record(*(confirmed(order_id=each) for each in ids)))
    return ids


@pytest.mark.parametrize(
    "faults",
    [
        [every_other_is_turned_away, every_other_is_turned_away, every_other_is_turned_away],
        [refused(429), refused(503), refused(500)],
        [refused(403), refused(404), refused(401)],
        [written_but_refused],
    ],
    ids=["items", "overloaded", "misconfigured", "answer lost"],
)
async def test_what_elasticsearch_does_not_take_is_written_when_it_does(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    elasticsearch: ElasticsearchProxy,
    customer_id: str,
    faults: list[Any],
) -> None:
    elasticsearch.faults = [*faults]
    async with running(settings):
        ids = await _some_orders(write_side, customer_id)
        for each in ids:
            await read_side.has(each, version=2, status="CONFIRMED", customer_version=1)
        await read_side.caught_up()
    assert not elasticsearch.faults


async def test_a_request_that_is_not_answered_is_given_up_and_made_again(
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    elasticsearch: ElasticsearchProxy,
    customer_id: str,
) -> None:
    over = asyncio.Event()

    async def hangs(bulk: Bulk) -> Answer:
        answer = await bulk.forward(bulk.body)
        await over.wait()
        return answer

    settings["write_timeout_seconds"] = 0.5
    elasticsearch.faults = [hangs]
    async with running(settings):
        for each in await _some_orders(write_side, customer_id):
            await read_side.has(each, version=2, customer_version=1)
    over.set()


async def test_a_blocked_index_delays_everything_and_condemns_nothing(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, logs: Logs, order_id: str, customer_id: str
) -> None:
    async with running(settings):
        await read_side.exists()
        await read_side.block_writes(blocked=True)
        write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
        assert "cluster_block_exception" in (await logs.has("trying again"))["cause"]
        await read_side.block_writes(blocked=False)
        await read_side.has(order_id, version=1)
        await read_side.caught_up()


async def test_a_projector_that_starts_before_elasticsearch_waits_for_it(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, logs: Logs, order_id: str, customer_id: str
) -> None:
    real, settings["read_es_url"] = settings["read_es_url"], f"http://{free_address()}"
    proxy = TcpProxy(real.removeprefix("http://"), settings["read_es_url"].removeprefix("http://"))
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
    async with running(settings):
        await logs.has("trying again")
        await proxy.start()
        await read_side.has(order_id, version=1)
    await proxy.stop()


async def test_while_redis_is_away_documents_are_written_and_views_follow_when_it_is_back(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    redis: TcpProxy,
    logs: Logs,
    order_id: str,
    customer_id: str,
) -> None:
    async with running(settings):
        write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
        await read_side.has(order_id, version=1)
        await read_side.caught_up()
        await redis.stop()
        ids = await _some_orders(write_side, customer_id)
        write_side.publish(*write_side.record(confirmed(order_id=order_id)))
        await read_side.has(order_id, version=2)
        await read_side.caught_up()
        stale = await read_side.cached(order_id)
        assert stale
        assert stale.version == 1
        await redis.start()

        async def all_cached() -> bool:
            cached = [await read_side.cached(each) for each in (order_id, *ids)]
            return all(each and each.version == 2 for each in cached)

        await eventually(all_cached, what="views in the cache")
    assert len(logs.of("cache away; its entries follow")) == 1
    assert len(logs.of("cache back, and up to date")) == 1


async def test_a_redis_that_hangs_does_not_hold_the_projection_up(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    redis: TcpProxy,
    order_id: str,
    customer_id: str,
) -> None:
    settings["cache_timeout_seconds"] = 0.2
    redis.hang()
    async with running(settings):
        await read_side.exists()
        started = time.monotonic()
        write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
        await read_side.caught_up()
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("fault", [refused(503), every_other_is_turned_away])
async def test_a_projector_that_is_stopped_in_an_outage_stops_soon_and_loses_nothing(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    elasticsearch: ElasticsearchProxy,
    logs: Logs,
    customer_id: str,
    fault: Any,
) -> None:
    elasticsearch.faults = [fault] * 1000
    async with running(settings):
        ids = await _some_orders(write_side, customer_id)
        await logs.has("trying again")
        started = time.monotonic()
    assert time.monotonic() - started < 5
    elasticsearch.faults = []
    async with running(settings):
        for each in ids:
            await read_side.has(each, version=2, customer_version=1)
        await read_side.caught_up()
