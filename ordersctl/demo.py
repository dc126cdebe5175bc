"""`ordersctl demo`: the life of two orders, as commands and then as queries show it, and of three by themselves."""

import asyncio
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import grpc
import typer
from rich.text import Text

from orderflow.customers.v1.commands_pb2 import RegisterCustomerRequest
from orderflow.orders.v1 import commands_pb2, queries_pb2
from orderflow.orders.v1.order_pb2 import OrderItem
from orderflow.orders.v1.views_pb2 import OrderView
from ordersctl import by_hand, money, tables
from ordersctl.client import AnyCommand
from ordersctl.command import Session, command
from ordersctl.errors import CallFailed
from ordersctl.exit_codes import FAILED
from ordersctl.fulfillment_demo import Scenes
from ordersctl.order_commands import ShippingAddress
from ordersctl.trace_commands import JaegerUrl, show_tree, until_complete
from ordersctl.traces import Jaeger
from ordersctl.visibility import order_until_visible, until_visible
from service_kit import consistency_token
from service_kit.telemetry import telemetry

Answer = TypeVar("Answer", bound=tables.OrderAnswer)
_CURRENCY = "EUR"
_NAME, _EMAIL = "Zoë Ångström", "zoe@example.org"
_TORCHES, _POT, _CUPS = (
    ("TORCH-1", "Crème brûlée torch", 2, "19.99"),
    ("POT-4", "Teapot", 1, "48.50"),
    ("CUP-7", "Cup", 3, "8.50"),
)
_TOTAL = "88.48"
_WORDS = "CREME angstrom"  # of an item and of the customer, in another case and without accents
_TRACED = {"ordersctl", "command_service", "command_service.relay", "projector"}
_REFUSAL = "CANNOT_CANCEL_DELIVERED_ORDER"


def add_to(app: typer.Typer) -> None:
    """Adds the command to the top level."""
    command(app, "demo", "demo", "demo --grpcurl ~/go/bin/grpcurl")(demo)


async def demo(
    session: Session,
    grpcurl: Annotated[
        str, typer.Option(envvar="ORDERFLOW_GRPCURL", help="How to call grpcurl in the lines to try by hand.")
    ] = "grpcurl",
    jaeger: JaegerUrl = "",
) -> None:
    """Play the life of two orders, show what queries then see, and how to go on by hand.

    Three other orders move on by themselves meanwhile, and what becomes of them is shown.
    Where Jaeger is named, the first order's trace is drawn at the end.
    Exits with 0 only if everything was as expected.
    """
    if session.settings.as_json:
        raise typer.BadParameter("the demo is for people; other commands answer in JSON", param_hint="--json")
    journey = Journey(session)
    with telemetry("ordersctl") if jaeger else nullcontext():
        await journey.commands()
        await journey.queries()
        await journey.fulfillment()
    if jaeger:
        await journey.draw_trace(Jaeger(jaeger, session.settings.timeout))
    journey.say_how_to_go_on(grpcurl)
    journey.conclude()


class Journey:
    """One run of the demo: sends, shows, and keeps what was not as expected."""

    def __init__(self, session: Session) -> None:
        self._client = session.client
        self._out = session.output.out
        self._scenes = Scenes(session.client, self)
        self._surprises: list[str] = []
        self._customer_id = ""
        self._first_token = ""
        self._delivered = commands_pb2.DeliverOrderResponse()
        self._cancelled = commands_pb2.CancelOrderResponse()

    async def commands(self) -> None:
        """Has one order delivered and another cancelled, and is refused once."""
        self._heading("Commands", self._client.addresses.command)
        orders = self._client.orders
        await self._register()
        await self._scenes.begin()
        first = await self._create(_TORCHES, _POT)
        await self._time_visibility(first)
        self._first_token = first.consistency_token
        order = first.order_id
        payment = _new(order_id=order, payment_reference="demo-1", amount=money.parse(_TOTAL, _CURRENCY))
        await self._send(orders.RecordPayment, commands_pb2.RecordPaymentRequest(**payment))
        await self._send(orders.ConfirmOrder, commands_pb2.ConfirmOrderRequest(**_new(order_id=order)))
        shipment = _new(order_id=order, tracking_number="1Z999AA10123456784")
        await self._send(orders.ShipOrder, commands_pb2.ShipOrderRequest(**shipment))
        delivery = commands_pb2.DeliverOrderRequest(**_new(order_id=order))
        self._delivered = await self._send(orders.DeliverOrder, delivery)
        second = await self._create(_CUPS)
        cancellation = commands_pb2.CancelOrderRequest(**_new(order_id=second.order_id, reason="ordered twice"))
        self._cancelled = await self._send(orders.CancelOrder, cancellation)
        await self._try_to_cancel_the_delivered_order()

    async def fulfillment(self) -> None:
        """Shows what becomes of orders that move on by themselves."""
        self._heading("Fulfillment", "of orders that move on by themselves")
        await self._scenes.play()

    async def queries(self) -> None:
        """Shows what the query side shows of it."""
        self._heading("Queries", self._client.addresses.query)
        await self._get()
        asked = queries_pb2.OrderFilter(customer_id=self._customer_id)
        tokens = [self._delivered.consistency_token, self._cancelled.consistency_token]
        listed = await self._list(queries_pb2.ListOrdersRequest(filter=asked, consistency_tokens=tokens))
        newest_first = [self._cancelled.order_id, self._delivered.order_id]
        self.expect("the customer's orders, newest first", [each.order_id for each in listed], newest_first)
        search = queries_pb2.SearchOrdersRequest(query=_WORDS, filter=asked, consistency_tokens=tokens)
        found = await self._found(search)
        self._asked("SearchOrders", f'for "{_WORDS}"')
        for each in found:
            self.detail(f"{each.customer_name}: {tables.items_text(each.items)}")
        self.expect("orders found", [each.order_id for each in found], [self._delivered.order_id])

    async def draw_trace(self, jaeger: Jaeger) -> None:
        """Draws what the first order's creation set off, once it has come to the index."""
        self._heading("Trace", "of the first CreateOrder")
        trace_id = _trace_id(self._first_token)
        spans = await until_complete(jaeger, trace_id, "bulk", limit=self._client.timeout)
        if spans:
            show_tree(self._out, jaeger, trace_id, spans)
        self.expect("the trace's services", {each.service for each in spans} >= _TRACED, wanted=True)

    def say_how_to_go_on(self, grpcurl: str) -> None:
        """Prints lines to try by hand."""
        self._heading("By hand")
        for line in by_hand.lines(grpcurl, self._client.addresses, self._customer_id, self._delivered.order_id):
            self._out.print(Text(line), soft_wrap=True)
        self._out.print(
            Text(f"{by_hand.started_as(sys.argv[0], Path.cwd())} order history {self._delivered.order_id}"),
            soft_wrap=True,
        )

    def conclude(self) -> None:
        """Says whether all was as expected.

        Raises:
            typer.Exit: it was not.
        """
        self._out.print()
        for surprise in self._surprises:
            self._out.print(Text(f"✗ not as expected: {surprise}", style="red"))
        if self._surprises:
            raise typer.Exit(FAILED)
        self._out.print(Text("✓ everything was as expected", style="bold green"))

    async def _register(self) -> None:
        request = RegisterCustomerRequest(**_new(name=_NAME, email=_EMAIL))
        with self._out.status("RegisterCustomer …"):
            start = time.monotonic()
            response = await self._client.command(self._client.customers.RegisterCustomer, request)
        self._customer_id = response.customer_id
        self._accepted("RegisterCustomer", f"{_NAME} <{_EMAIL}>", start)
        self.detail(f"customer {self._customer_id}")

    async def _create(self, *items: tuple[str, str, int, str]) -> commands_pb2.CreateOrderResponse:
        lines = [
            OrderItem(sku=sku, product_name=name, quantity=quantity, unit_price=money.parse(price, _CURRENCY))
            for sku, name, quantity, price in items
        ]
        request = commands_pb2.CreateOrderRequest(
            **_new(customer_id=self._customer_id, items=lines, shipping_address=ShippingAddress().message())
        )
        created = await self._send(self._client.orders.CreateOrder, request)
        delivery = tables.time_text(created.estimated_delivery_time)
        self.detail(f"order {created.order_id}, {tables.items_text(lines)}")
        self.detail(f"estimated delivery {delivery}")
        return created

    async def _time_visibility(self, created: commands_pb2.CreateOrderResponse) -> None:
        """Measures how long after the answer the order can be read by id, and found by its words."""
        tokens = [created.consistency_token]
        asked = queries_pb2.OrderFilter(customer_id=self._customer_id)
        request = queries_pb2.SearchOrdersRequest(query=_WORDS, filter=asked, consistency_tokens=tokens)
        with self._out.status("waiting until queries show it …"):
            (_, readable), (found, searchable) = await asyncio.gather(
                order_until_visible(self._client, created.order_id, created.consistency_token),
                until_visible(lambda: self._found(request), limit=self._client.timeout),
            )
        self.detail(f"after the answer: readable by id in {readable:.0f} ms, searchable in {searchable:.0f} ms")
        self.expect("the new order, searched", [each.order_id for each in found], [created.order_id])

    async def _try_to_cancel_the_delivered_order(self) -> None:
        request = commands_pb2.CancelOrderRequest(**_new(order_id=self._delivered.order_id, reason="too late"))
        reason = "accepted"
        try:
            await self._client.command(self._client.orders.CancelOrder, request)
        except CallFailed as failed:
            reason = failed.failure.reason
            self._out.print(
                Text.assemble(("· ", "cyan"), "CancelOrder of the delivered order is refused, as it should be:")
            )
            line = Text(f"  {tables.as_text(failed.failure.line)}", style="dim")
            self._out.print(line, soft_wrap=not self._out.is_terminal)
        self.expect("cancelling the delivered order", reason, _REFUSAL)

    async def _get(self) -> None:
        token = self._delivered.consistency_token
        response, milliseconds = await order_until_visible(self._client, self._delivered.order_id, token)
        view = response.order
        self._asked("GetOrder", f"with the token of DeliverOrder, {milliseconds:.0f} ms")
        self._out.print(tables.order(view, response.freshness), soft_wrap=True)
        self.expect("version", view.version, self._delivered.version)
        self.expect("status", view.status, self._delivered.status)
        self.expect("total", money.show(view.total_amount), f"{_TOTAL} {_CURRENCY}")
        self.expect("customer's name", view.customer_name, _NAME)

    async def _list(self, request: queries_pb2.ListOrdersRequest) -> list[OrderView]:
        self._asked("ListOrders", "of the customer, streamed")
        columns = tables.order_columns(self._out.width)
        listed: list[OrderView] = []
        async for chunk in self._client.stream(self._client.queries.ListOrders, request):
            self._out.print(tables.order_rows(columns, chunk.orders, header=not listed))
            listed.extend(chunk.orders)
        return listed

    async def _found(self, request: queries_pb2.SearchOrdersRequest) -> list[OrderView]:
        chunks = self._client.stream(self._client.queries.SearchOrders, request)
        return [order async for chunk in chunks for order in chunk.orders]

    async def _send(self, method: grpc.aio.UnaryUnaryMultiCallable[AnyCommand, Answer], request: AnyCommand) -> Answer:
        name = type(request).__name__.removesuffix("Request")
        with self._out.status(f"{name} …"):
            start = time.monotonic()
            answer = await self._client.command(method, request)
        status = tables.status_text(answer.status)
        status.pad_right(11 - len(status))
        self._accepted(
            name, Text.assemble(status, f"version {answer.version}  {money.show(answer.total_amount)}"), start
        )
        return answer

    def _accepted(self, name: str, what: str | Text, start: float) -> None:
        took = f"  {(time.monotonic() - start) * 1000:.0f} ms"
        self._out.print(Text.assemble(("✓ ", "green"), f"{name:<18}", what, (took, "dim")))

    def happened(self, name: str, what: str) -> None:
        """Shows what came of something."""
        line = Text.assemble(("✓ ", "green"), f"{name:<18}", tables.as_text(what))
        self._out.print(line, soft_wrap=not self._out.is_terminal)

    def _asked(self, name: str, what: str) -> None:
        self._out.print(Text.assemble(("• ", "cyan"), f"{name:<18}", what))

    def detail(self, text: str) -> None:
        """Shows more of what was shown last."""
        self._out.print(Text(f"  {tables.as_text(text)}", style="dim"))

    def _heading(self, name: str, address: str = "") -> None:
        self._out.print()
        self._out.print(Text.assemble((name, "bold"), (f"  {address}", "dim")))

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Keeps it where something is not as it should be."""
        if found != wanted:
            self._surprises.append(f"{what}: {found}, not {wanted}")


def _trace_id(token: str) -> str:
    """The trace of the command that the token is of."""
    parent = consistency_token.decode(token, field="consistency_token").traceparent
    return parent.split("-")[1] if parent else ""


def _new(**fields: Any) -> dict[str, Any]:
    """A command's fields with a request id of its own."""
    return {**fields, "request_id": f"ordersctl-demo-{uuid4()}"}
