"""A watch as its client keeps it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from orderflow.orders.v1.queries_pb2 import WatchOrdersRequest, WatchOrdersResponse
from orderflow.orders.v1.views_pb2 import OrderView
from tests.integration.query_service.client import Queries


class Watched:
    """What a watch has told so far, kept as a client keeps it."""

    def __init__(self, call: Any) -> None:
        self.orders: dict[str, OrderView] = {}
        self.order_ids: list[str] = []
        self.removed: list[str] = []
        self.caught_up = self.heartbeats = self.resets = 0
        self.token = ""
        self._answers = aiter(call)

    async def one(self) -> WatchOrdersResponse:
        """Takes in the next message."""
        async with asyncio.timeout(30):
            message: WatchOrdersResponse = await anext(self._answers)
        self.token = message.resume_token
        match message.WhichOneof("change"):
            case "order":
                known = self.orders.get(message.order.order_id)
                assert known is None or known.version <= message.order.version
                self.orders[message.order.order_id] = message.order
                self.order_ids.append(message.order.order_id)
            case "removed_order_id":
                self.orders.pop(message.removed_order_id, None)
                self.removed.append(message.removed_order_id)
            case "caught_up":
                self.caught_up += 1
            case "heartbeat":
                self.heartbeats += 1
            case "reset":
                self.resets += 1
                self.orders.clear()
        return message

    async def until_caught_up(self) -> "Watched":
        """Takes in messages up to the next caught_up."""
        before = self.caught_up
        while self.caught_up == before:
            await self.one()
        return self

    async def until(self, wanted: dict[str, int]) -> None:
        """Takes in messages until the orders known are these, by id and version."""
        while {each.order_id: each.version for each in self.orders.values()} != wanted:
            await self.one()


@asynccontextmanager
async def watching(queries: Queries, **fields: Any) -> AsyncIterator[Watched]:
    """A watch."""
    call = queries.stub.WatchOrders(WatchOrdersRequest(**fields))
    try:
        yield Watched(call)
    finally:
        call.cancel()
