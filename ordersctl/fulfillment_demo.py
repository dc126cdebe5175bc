"""The demo's orders that move on by themselves: one goes through, one runs out of stock, one is never paid."""

import asyncio
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from orderflow.fulfillment.v1.queries_pb2 import GetFulfillmentResponse
from orderflow.inventory.v1.commands_pb2 import UpdateInventoryRequest
from orderflow.orders.v1 import commands_pb2
from orderflow.orders.v1.order_pb2 import FULFILLMENT_MODE_AUTOMATIC, OrderItem
from ordersctl import money, tables
from ordersctl.client import Client
from ordersctl.errors import CallFailed
from ordersctl.fulfillment import get_fulfillment, step_name
from ordersctl.order_commands import ShippingAddress

_CURRENCY = "EUR"
_KETTLE, _TRAY, _SAMOVAR = ("KETTLE-3", "Kettle"), ("TRAY-2", "Tray"), ("SAMOVAR-1", "Samovar")
_PRICE = "24.50"
_LONGEST_SECONDS = 30.0
"""For a step that waits for nobody."""
_LONGEST_DEADLINE_SECONDS = 60.0
"""A deadline further away is not waited for."""
_ASK_AGAIN_SECONDS = 0.1


class Screen(Protocol):
    """Where the demo shows what it does, and keeps what was not as expected."""

    def happened(self, name: str, what: str) -> None:
        """Shows what came of something."""

    def detail(self, text: str) -> None:
        """Shows more of what was shown last."""

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Keeps it where something is not as it should be."""


class Scenes:
    """Three orders; the one that is never paid is begun first, so that its time runs while others are shown."""

    def __init__(self, client: Client, screen: Screen) -> None:
        self._client = client
        self._screen = screen
        self._unpaid = ""

    async def begin(self) -> None:
        """Has something in stock, and orders what nobody will pay."""
        await self._stock(_KETTLE, adjust=1)
        await self._stock(_TRAY, adjust=3)
        await self._stock(_SAMOVAR, set=0)
        self._unpaid = await self._order(_TRAY)

    async def play(self) -> None:
        """Shows what becomes of the orders."""
        await self._goes_through()
        await self._runs_out_of_stock()
        await self._is_never_paid()

    async def _goes_through(self) -> None:
        order_id = await self._order(_KETTLE)
        reserved = await self._until(order_id, {"AWAITING_PAYMENT"})
        self._screen.happened("reserved", f"{_KETTLE[1]}; waits to be paid until {_deadline(reserved)}")
        payment = commands_pb2.RecordPaymentRequest(
            **_new(order_id=order_id, payment_reference="demo-2", amount=money.parse(_PRICE, _CURRENCY))
        )
        await self._client.command(self._client.orders.RecordPayment, payment)
        await self._until(order_id, {"AWAITING_SHIPMENT"})
        self._screen.happened("paid", "and confirmed by itself; waits for its shipment")
        self._screen.detail(f"order {order_id}")

    async def _runs_out_of_stock(self) -> None:
        order_id = await self._order(_TRAY, _SAMOVAR)
        ended = await self._until(order_id, {"CANCELLED"})
        self._screen.happened("out of stock", f"cancelled: {ended.cancel_reason}")
        self._screen.detail(f"order {order_id}; its {_TRAY[1].lower()} is released")

    async def _is_never_paid(self) -> None:
        waiting = await self._until(self._unpaid, {"AWAITING_PAYMENT", "COMPENSATING", "CANCELLED"})
        left = 0.0
        if waiting.HasField("next_deadline_time"):
            left = (waiting.next_deadline_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        if left > _LONGEST_DEADLINE_SECONDS:
            self._screen.happened("never paid", f"will be cancelled at {_deadline(waiting)}")
            self._screen.detail(f"order {self._unpaid}; ordersctl fulfillment get shows it")
            return
        ended = await self._until(self._unpaid, {"CANCELLED"}, seconds=_LONGEST_SECONDS + max(left, 0.0))
        self._screen.happened("never paid", f"cancelled: {ended.cancel_reason}")
        self._screen.detail(f"order {self._unpaid}")

    async def _stock(self, product: tuple[str, str], **change: int) -> None:
        request = UpdateInventoryRequest(**_new(sku=product[0], **change))
        await self._client.command(self._client.stock.UpdateInventory, request)

    async def _order(self, *products: tuple[str, str]) -> str:
        price = money.parse(_PRICE, _CURRENCY)
        items = [OrderItem(sku=sku, product_name=name, quantity=1, unit_price=price) for sku, name in products]
        request = commands_pb2.CreateOrderRequest(
            **_new(
                customer_id=str(uuid4()),
                items=items,
                shipping_address=ShippingAddress().message(),
                fulfillment_mode=FULFILLMENT_MODE_AUTOMATIC,
            )
        )
        return (await self._client.command(self._client.orders.CreateOrder, request)).order_id

    async def _until(
        self, order_id: str, steps: Collection[str], *, seconds: float = _LONGEST_SECONDS
    ) -> GetFulfillmentResponse:
        """The fulfillment once it is at one of the steps; the last one seen where that takes too long."""
        give_up_at = time.monotonic() + seconds
        while True:
            found = await self._found(order_id)
            if step_name(found) in steps or time.monotonic() > give_up_at:
                self._screen.expect(f"fulfillment of {order_id}", step_name(found) in steps, wanted=True)
                return found
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _found(self, order_id: str) -> GetFulfillmentResponse:
        """The fulfillment; an empty one while it has not begun."""
        try:
            return await get_fulfillment(self._client, order_id)
        except CallFailed as failed:
            if failed.failure.reason != "ORDER_NOT_FOUND":
                raise
            return GetFulfillmentResponse(order_id=order_id)


def _deadline(found: GetFulfillmentResponse) -> str:
    return tables.time_text(found.next_deadline_time).partition(" ")[2]


def _new(**fields: Any) -> dict[str, Any]:
    """A command's fields with a request id of its own."""
    return {**fields, "request_id": f"ordersctl-demo-{uuid4()}"}
