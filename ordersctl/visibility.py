"""Waits until the query side shows what a command did."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from orderflow.orders.v1.queries_pb2 import GetOrderRequest, GetOrderResponse
from ordersctl.client import Client
from ordersctl.errors import CallFailed

Seen = TypeVar("Seen")
_NOT_YET = "EVENTUAL_CONSISTENCY_TIMEOUT"


async def until_visible(query: Callable[[], Awaitable[Seen]], *, limit: float) -> tuple[Seen, float]:
    """The answer of a query with a consistency token, asked until it sees it, and the milliseconds that took.

    Args:
        limit: seconds after which a server that has not seen it is not asked again.

    Raises:
        CallFailed: the query failed, or did not see it in time.
    """
    start = time.monotonic()
    while True:
        try:
            seen = await query()
        except CallFailed as failed:
            if failed.failure.reason != _NOT_YET or time.monotonic() - start > limit:
                raise
        else:
            return seen, (time.monotonic() - start) * 1000


async def order_until_visible(client: Client, order_id: str, token: str) -> tuple[GetOrderResponse, float]:
    """The order as the query side shows it once it sees the token, and the milliseconds that took."""
    request = GetOrderRequest(order_id=order_id, consistency_tokens=[token])
    return await until_visible(lambda: client.call(client.queries.GetOrder, request), limit=client.timeout)
