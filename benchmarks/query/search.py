"""SearchOrders' first page against the bare Elasticsearch query."""

import json
from collections.abc import Sequence
from functools import partial

import aiohttp
import grpc

from benchmarks.figures import Figure, interleaved, milliseconds
from benchmarks.query.callers import median_seconds
from benchmarks.query.orders import order, order_id
from benchmarks.query.served import elasticsearch_url, index, query_server
from orderflow.orders.v1 import queries_pb2, query_service_pb2_grpc
from query_service.order_query import search_query

_ORDERS = 100_000
_SEARCHES_A_ROUND = 512
_FIRST_PAGE = 100
_NUMBER = 4711


def _queries() -> Sequence[str]:
    """What people type: words, beginnings, errors, phrases, exclusions, names, ids."""
    chosen = order(_NUMBER)
    return (
        "teapot", "green coff", "keramik teaopt", '"cast iron"', "kettle -organic", "kowalski", "rue du marche liege",
        chosen.customer_email, order_id(_NUMBER), f"TRACK-{_NUMBER:09}",
    )  # fmt: skip


async def first_page_of_a_search() -> Figure:
    """The median time until a caller has the first page, of many callers with a mixture of texts.

    The limit is the same body, posted to the index, its answer read but not looked at.
    """
    requests = [queries_pb2.SearchOrdersRequest(query=text) for text in _queries()]
    bodies = [_body(each) for each in requests]
    async with (
        index(_ORDERS) as served,
        query_server(served) as (address, _),
        grpc.aio.insecure_channel(address) as channel,
        aiohttp.ClientSession(elasticsearch_url(), headers={"content-type": "application/json"}) as session,
    ):
        queries = query_service_pb2_grpc.OrderQueryServiceStub(channel)

        async def ours(number: int) -> None:
            async for _ in queries.SearchOrders(requests[number % len(requests)]):
                pass

        async def bare(number: int) -> None:
            async with session.post(f"/{served.alias}/_search", data=bodies[number % len(bodies)]) as answer:
                answer.raise_for_status()
                await answer.read()

        values, detail = await interleaved(
            partial(median_seconds, ours, _SEARCHES_A_ROUND),
            partial(median_seconds, bare, _SEARCHES_A_ROUND),
            shown=milliseconds,
        )
    name = "SearchOrders, first page p50 / the bare Elasticsearch query"
    return Figure(name, values, 1.5, at_least=False, detail=detail)


def _body(request: queries_pb2.SearchOrdersRequest) -> bytes:
    body = {**search_query(request).first_request, "size": _FIRST_PAGE + 1}
    body["_source"] = body.pop("source")
    return json.dumps(body).encode()
