"""GetOrder of what the cache holds against a bare echo of the same messages, both called by ghz."""

from collections.abc import Sequence

import grpc

from benchmarks.echo import echoes
from benchmarks.figures import Figure, interleaved
from benchmarks.ghz import rate
from benchmarks.query.orders import order_id
from benchmarks.query.served import index, query_server
from orderflow.common.v1.consistency_pb2 import READ_SOURCE_CACHE
from orderflow.orders.v1 import queries_pb2, query_service_pb2, query_service_pb2_grpc

METHOD = query_service_pb2.DESCRIPTOR.services_by_name["OrderQueryService"].methods_by_name["GetOrder"]
_ORDERS = 2_000
_CALLS = 10_000
_CACHED = {"CACHE_TTL_SECONDS": "3600"}


async def get_of_cached_orders() -> Figure:
    """Many orders, in turn."""
    return await _get("GetOrder, in Redis / bare echo", orders=_ORDERS, reach=0.55)


async def get_of_a_hot_order() -> Figure:
    """One order that all ask for."""
    return await _get("GetOrder of a hot order / bare echo", orders=1, reach=0.75)


async def _get(name: str, *, orders: int, reach: float) -> Figure:
    async with index(_ORDERS) as served, query_server(served, _CACHED) as (ours, _):
        requests = [{"order_id": order_id(number)} for number in range(orders)]
        answer = await _cached(ours, [each["order_id"] for each in requests])
        async with echoes(METHOD, answer) as echo:
            values, detail = await interleaved(
                lambda: rate(ours, METHOD, requests, _CALLS), lambda: rate(echo, METHOD, requests, _CALLS)
            )
    return Figure(name, values, reach, detail=detail)


async def _cached(address: str, order_ids: Sequence[str]) -> queries_pb2.GetOrderResponse:
    """An answer of middle size, once all orders are in Redis.

    Raises:
        RuntimeError: an order did not get there.
    """
    async with grpc.aio.insecure_channel(address) as channel:
        queries = query_service_pb2_grpc.OrderQueryServiceStub(channel)
        requests = [queries_pb2.GetOrderRequest(order_id=each) for each in order_ids]
        for _ in range(2):
            answers = [await queries.GetOrder(each) for each in requests]
        if any(answer.freshness.source != READ_SOURCE_CACHE for answer in answers):
            raise RuntimeError("Redis does not keep what is put there")
    return sorted(answers, key=lambda answer: answer.ByteSize())[len(answers) // 2]
