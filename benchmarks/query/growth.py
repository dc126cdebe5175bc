"""What could grow with the number of orders: the memory that a stream takes, and the time until an answer."""

from collections.abc import Awaitable, Callable
from functools import partial

import grpc

from benchmarks.figures import ROUNDS, Figure, interleaved, milliseconds
from benchmarks.ghz import calls, percentile
from benchmarks.query.callers import median_seconds
from benchmarks.query.get import METHOD
from benchmarks.query.orders import order_id
from benchmarks.query.reader import most_resident, read_in_a_process, resident
from benchmarks.query.served import Index, index, query_server
from orderflow.orders.v1 import queries_pb2, query_service_pb2_grpc

SMALL = 10_000
_QUICK = 100_000
_GETS = 5_000
_LISTS = 512
_MEGABYTE = 1024 * 1024
_COLD = {"CACHE_TTL_SECONDS": "0.01"}

Comparison = Callable[[Index, Index], Awaitable[Figure]]


def quickly(compare: Comparison) -> Callable[[], Awaitable[Figure]]:
    """The comparison at a tenth of the size that it is meant for."""

    async def compared() -> Figure:
        async with index(SMALL) as small, index(_QUICK) as large:
            return await compare(large, small)

    return compared


async def memory_of_a_stream(large: Index, small: Index) -> Figure:
    """Bytes that the processes had resident at most, beyond what they had before the call, while all was listed.

    Each round has new processes, one that serves and one that reads, which have answered or asked nothing before.
    The ratio is that of the server or of the client, whichever is higher.
    """
    pairs = [(await _growth(large), await _growth(small)) for _ in range(ROUNDS)]
    values = tuple(max(more / less for more, less in zip(*pair, strict=True)) for pair in pairs)
    much, little = sorted(pairs, key=lambda pair: pair[0][0] / pair[1][0])[ROUNDS // 2]
    detail = "; ".join(
        f"{who} {more / _MEGABYTE:,.1f} MB against {less / _MEGABYTE:,.1f} MB"
        for who, more, less in zip(("server", "client"), much, little, strict=True)
    )
    name = f"memory while streaming {large.orders:,} orders / {small.orders:,}"
    return Figure(name, values, 1.2, at_least=False, detail=detail)


async def latency_of_get(large: Index, small: Index) -> Figure:
    """The median of GetOrder of orders all over the index, none of them in Redis, called by ghz."""
    async with query_server(large, _COLD) as (at_large, _), query_server(small, _COLD) as (at_small, _):
        values, detail = await interleaved(
            partial(_median_get, at_large, large), partial(_median_get, at_small, small), shown=milliseconds
        )
    name = f"GetOrder p50, not in Redis, at {large.orders:,} orders / at {small.orders:,}"
    return Figure(name, values, 1.3, at_least=False, detail=detail)


async def latency_of_list(large: Index, small: Index) -> Figure:
    """The median time until the first chunk of all orders, newest first, is there; then the callers cancel."""
    async with query_server(large) as (at_large, _), query_server(small) as (at_small, _):
        values, detail = await interleaved(
            partial(_median_first_chunk, at_large), partial(_median_first_chunk, at_small), shown=milliseconds
        )
    name = f"ListOrders p50 of the first chunk at {large.orders:,} orders / at {small.orders:,}"
    return Figure(name, values, 1.3, at_least=False, detail=detail)


async def _growth(listed: Index) -> tuple[int, int]:
    """Of the server and of the client."""
    async with query_server(listed) as (address, process_id):
        before = resident(process_id)
        reading = await read_in_a_process(address, listed.orders)
        return most_resident(process_id) - before, reading.growth


async def _median_get(address: str, read: Index) -> float:
    requests = [{"order_id": order_id(number)} for number in range(0, read.orders, read.orders // _GETS)]
    return percentile(await calls(address, METHOD, requests, _GETS), 50)


async def _median_first_chunk(address: str) -> float:
    async with grpc.aio.insecure_channel(address) as channel:
        queries = query_service_pb2_grpc.OrderQueryServiceStub(channel)

        async def first_chunk(_number: int) -> None:
            call = queries.ListOrders(queries_pb2.ListOrdersRequest())
            chunk = await call.read()
            call.cancel()
            if not isinstance(chunk, queries_pb2.ListOrdersResponse) or not chunk.orders:
                raise RuntimeError("the list is empty")

        return await median_seconds(first_chunk, _LISTS)
