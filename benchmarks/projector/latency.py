"""From a command's acknowledgement to the moment when readers have what it did, at a steady rate of commands."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from benchmarks.database import BenchDatabase
from benchmarks.figures import ROUNDS, Figure
from benchmarks.projector.alone import Alone
from benchmarks.projector.history import History, history
from benchmarks.projector.projector import Projector, projector
from orderflow.orders.v1 import command_service_pb2_grpc
from read_models.orders import ORDERS
from tests.support.system import create_order

_COMMANDS_A_SECOND = 200
_WARM_UP_SECONDS = 3
_SECONDS = 10
_ORDERS = 1_000  # there before, with the customers that commands name

Visible = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Those of the orders that a reader finds now."""


@dataclass(frozen=True, slots=True)
class _Running:
    history: History
    projector: Projector
    commands: "command_service_pb2_grpc.OrderCommandServiceAsyncStub"
    redis: "Redis"
    elasticsearch: AsyncElasticsearch


async def readable_by_id(bench: BenchDatabase) -> Figure:
    """99th percentile of the time until an order's view is in Redis, where the projector puts it after Elasticsearch.

    The limit is what every such system has to do one after the other, each step alone: a commit, a message's way
    through Kafka, a bulk request of one document.
    """
    async with _running(bench) as running, Alone(bench, running.elasticsearch) as alone:

        async def in_redis(order_ids: Collection[str]) -> Collection[str]:
            async with running.redis.pipeline(transaction=False) as pipeline:
                for order_id in order_ids:
                    pipeline.exists(f"order:read:{order_id}")
                found = await pipeline.execute()
            return [order_id for order_id, there in zip(order_ids, found, strict=True) if there]

        await _latencies(running, in_redis, _WARM_UP_SECONDS, pause=0.002)
        limits, rounds = [], []
        for _ in range(ROUNDS):
            limits.append(await alone.seconds())
            rounds.append(await _latencies(running, in_redis, _SECONDS, pause=0.002))
    values = tuple(_percentile(each, 99) / limit for each, limit in zip(rounds, limits, strict=True))
    detail = f"{_shown(rounds)} against {statistics.median(limits) * 1000:.1f} ms"
    name = f"commit to readable by id at {_COMMANDS_A_SECOND}/s, p99 / its steps alone"
    return Figure(name, values, 5, at_least=False, detail=detail)


async def found_by_search(bench: BenchDatabase) -> Figure:
    """99th percentile of the time until a search finds the order, in intervals between the index's refreshes."""
    interval = ORDERS.index_body()["settings"]["index"]["refresh_interval"]
    async with _running(bench) as running:

        async def in_search(order_ids: Collection[str]) -> Collection[str]:
            answer = await running.elasticsearch.search(
                index=running.projector.alias,
                query={"terms": {"order_id": list(order_ids)}},
                size=10_000,
                source=False,
                track_total_hits=False,
            )
            return [hit["_id"] for hit in answer["hits"]["hits"]]

        await _latencies(running, in_search, _WARM_UP_SECONDS, pause=0.02)
        rounds = [await _latencies(running, in_search, _SECONDS, pause=0.02) for _ in range(ROUNDS)]
    values = tuple(_percentile(each, 99) / float(interval.removesuffix("s")) for each in rounds)
    name = f"commit to found by search at {_COMMANDS_A_SECOND}/s, p99 / refresh interval"
    return Figure(name, values, 1.5, at_least=False, detail=f"{_shown(rounds)} of {interval}")


@asynccontextmanager
async def _running(bench: BenchDatabase) -> AsyncIterator[_Running]:
    async with history(bench, _ORDERS, 1) as published, projector(published) as ours:
        settings = published.settings
        await ours.has_finished(published.messages)
        async with (
            grpc.aio.insecure_channel(settings["COMMAND_SERVICE_ADDRESS"]) as channel,
            Redis.from_url(settings["REDIS_URL"]) as redis,
            AsyncElasticsearch(settings["READ_ES_URL"]) as elasticsearch,
        ):
            commands = command_service_pb2_grpc.OrderCommandServiceStub(channel)
            yield _Running(published, ours, commands, redis, elasticsearch)


async def _latencies(running: _Running, visible: Visible, seconds: int, *, pause: float) -> Sequence[float]:
    """Seconds from each command's answer to when a reader, who asks again after each pause, finds its order."""
    answered: dict[str, float] = {}
    latencies: list[float] = []

    async def command(number: int) -> None:
        customer_id = running.history.orders[number % len(running.history.orders)].customer_id
        answer = await running.commands.CreateOrder(create_order(customer_id))
        answered[answer.order_id] = time.perf_counter()

    async def read() -> None:
        while len(latencies) < seconds * _COMMANDS_A_SECOND:
            found = await visible(list(answered)) if answered else ()
            latencies.extend(time.perf_counter() - answered.pop(order_id) for order_id in found)
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        begin = time.perf_counter()
        for number in range(seconds * _COMMANDS_A_SECOND):
            await asyncio.sleep(begin + number / _COMMANDS_A_SECOND - time.perf_counter())
            group.create_task(command(number))
    return latencies


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _shown(rounds: Sequence[Sequence[float]]) -> str:
    marks = [statistics.median(_percentile(each, percent) for each in rounds) * 1000 for percent in (50, 99)]
    return f"p50 {marks[0]:,.1f} ms, p99 {marks[1]:,.1f} ms"
