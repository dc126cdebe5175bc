"""ListOrders to its end against the same orders read from Elasticsearch by a plain client."""

import asyncio
import time
from functools import partial

from elasticsearch import Elasticsearch, OrjsonSerializer

from benchmarks.figures import Figure, interleaved
from benchmarks.query.reader import read_in_a_process
from benchmarks.query.served import Index, elasticsearch_url, index, query_server

_ORDERS = 100_000
_PAGE_SIZE = 5_000
"""Of 1,000, 2,000, 5,000 and 9,999 the one with which the plain client is fastest."""
_SORT = [{"create_time_us": "desc"}, {"order_id": "desc"}]


async def list_of_orders() -> Figure:
    """One list, read by one client: what streams through is the same documents in the same order."""
    async with index(_ORDERS) as served, query_server(served) as (address, _):

        async def ours() -> float:
            return _ORDERS / (await read_in_a_process(address, _ORDERS)).seconds

        values, detail = await interleaved(ours, partial(asyncio.to_thread, raw_rate, served))
    return Figure("ListOrders of 100,000 orders / raw PIT + search_after", values, 0.8, detail=detail)


def raw_rate(served: Index, page_size: int = _PAGE_SIZE) -> float:
    """Orders a second of a client that reads each document's view, and does nothing with it.

    Raises:
        RuntimeError: there were not as many as were written.
    """
    with Elasticsearch(elasticsearch_url(), serializer=OrjsonSerializer()) as client:
        begin, orders, after = time.perf_counter(), 0, {}
        point = client.open_point_in_time(index=served.alias, keep_alive="1m")["id"]
        while True:
            answer = client.search(
                pit={"id": point}, size=page_size, sort=_SORT, source=["view"], track_total_hits=False, **after
            )
            hits = answer["hits"]["hits"]
            orders += len(hits)
            if len(hits) < page_size:
                break
            after = {"search_after": hits[-1]["sort"]}
        client.close_point_in_time(id=point)
        seconds = time.perf_counter() - begin
    if orders != served.orders:
        raise RuntimeError(f"{orders} orders instead of {served.orders}")
    return orders / seconds
