"""`ordersctl canary`: changes an order of its own and waits until queries show it, once or all the time.

Each UTC day has one such order, of a customer reserved for that. A round adds an item with a word that nobody else
uses, asks for the order by id and searches for the word, and removes the item. So lists of all orders get one order a
day, customers' lists get none, no stream grows for longer than a day, and nothing is left to be delivered: the order of
the day before is cancelled.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import NAMESPACE_URL, uuid4, uuid5

import grpc
import typer
from opentelemetry import metrics
from opentelemetry.metrics import Meter

from orderflow.customers.v1.commands_pb2 import RegisterCustomerRequest
from orderflow.orders.v1 import commands_pb2, queries_pb2
from orderflow.orders.v1.order_pb2 import OrderItem
from ordersctl import money
from ordersctl.client import AnyCommand, Client, Response
from ordersctl.command import Session, command
from ordersctl.errors import CallFailed, Failure
from ordersctl.order_commands import ShippingAddress
from ordersctl.visibility import until_visible
from service_kit.telemetry import telemetry

CUSTOMER_ID = str(uuid5(NAMESPACE_URL, "orderflow:canary"))
_KEPT_SKU = "CANARY"
_NOT_AGAIN = {"CUSTOMER_ALREADY_EXISTS", "ORDER_ALREADY_EXISTS"}
_NOTHING_TO_CANCEL = {"ORDER_NOT_FOUND", "ALREADY_CANCELLED"}
_TOO_LATE = "`ordersctl projection list` and `ordersctl relay status` show what is behind"
_BOUNDARIES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


class Canary:
    """Makes rounds, and measures them.

    Args:
        name: tells canaries that run at once apart: each has an order of its own.
        limit: seconds after which a query that has not seen a change has failed.
    """

    def __init__(self, client: Client, meter: Meter, *, name: str, limit: float, today: Callable[[], date]) -> None:
        self._client = client
        self._name = name
        self._limit = limit
        self._today = today
        self._prepared: date | None = None
        self._delay = meter.create_histogram(
            "orderflow.canary.delay",
            unit="s",
            description="Time from a command's answer until a query shows it, by kind of query.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._failures = meter.create_counter(
            "orderflow.canary.failures", unit="{failure}", description="Rounds that failed, by the step that did."
        )

    def order_id(self, day: date) -> str:
        """The day's order."""
        return str(uuid5(NAMESPACE_URL, f"orderflow:canary/{self._name}/{day.isoformat()}"))

    async def round(self) -> tuple[float, float]:
        """Makes a round; answers the seconds until the change could be read by id, and be found.

        Raises:
            CallFailed: a call was refused or failed, or a query did not see the change in time, or wrongly.
        """
        day = self._today()
        word = f"canary{uuid4().hex}"
        order_id = self.order_id(day)
        item = OrderItem(sku=word, product_name="Canary", quantity=1, unit_price=money.parse("1", "EUR"))
        addition = commands_pb2.AddItemRequest(request_id=f"add-{word}", order_id=order_id, item=item)
        removal = commands_pb2.RemoveItemRequest(request_id=f"remove-{word}", order_id=order_id, sku=word, quantity=1)
        with self._step("command"):
            if self._prepared != day:
                await self._prepare(day)
                self._prepared = day
            added = await self._client.command(self._client.orders.AddItem, addition)
        try:
            return await self._seen(order_id, word, added.consistency_token)
        finally:
            with self._step("command"):
                await self._client.command(self._client.orders.RemoveItem, removal)

    async def _prepare(self, day: date) -> None:
        """Has the customer and the day's order be there, and the order of the day before be cancelled."""
        registration = RegisterCustomerRequest(
            request_id="canary", customer_id=CUSTOMER_ID, name="Canary", email="canary@example.invalid"
        )
        await self._unless(_NOT_AGAIN, self._client.customers.RegisterCustomer, registration)
        kept = OrderItem(sku=_KEPT_SKU, product_name="Canary", quantity=1, unit_price=money.parse("10", "EUR"))
        creation = commands_pb2.CreateOrderRequest(
            request_id=f"canary/{self._name}/{day.isoformat()}",
            order_id=self.order_id(day),
            customer_id=CUSTOMER_ID,
            items=[kept],
            shipping_address=ShippingAddress().message(),
        )
        await self._unless(_NOT_AGAIN, self._client.orders.CreateOrder, creation)
        before = self.order_id(day - timedelta(days=1))
        cancellation = commands_pb2.CancelOrderRequest(
            request_id=f"cancel-{before}", order_id=before, reason="the canary has another order today"
        )
        await self._unless(_NOTHING_TO_CANCEL, self._client.orders.CancelOrder, cancellation)

    async def _seen(self, order_id: str, word: str, token: str) -> tuple[float, float]:
        """Waits until both queries show the item; each is timed by itself, and counted if it fails."""
        both = await asyncio.gather(
            self._read(order_id, word, token), self._searched(order_id, word, token), return_exceptions=True
        )
        for each in both:
            if isinstance(each, BaseException):
                raise each
        readable, searchable = (each for each in both if isinstance(each, float))
        return readable, searchable

    async def _read(self, order_id: str, word: str, token: str) -> float:
        request = queries_pb2.GetOrderRequest(order_id=order_id, consistency_tokens=[token])
        with self._step("get"):
            got, milliseconds = await until_visible(
                lambda: self._client.call(self._client.queries.GetOrder, request), limit=self._limit
            )
            if word not in [each.sku for each in got.order.items]:
                raise _wrong("the order lacks the item that was added")
            return self._timed("get", milliseconds)

    async def _searched(self, order_id: str, word: str, token: str) -> float:
        asked = queries_pb2.OrderFilter(customer_id=CUSTOMER_ID)
        request = queries_pb2.SearchOrdersRequest(query=word, filter=asked, consistency_tokens=[token])

        async def found() -> list[str]:
            chunks = self._client.stream(self._client.queries.SearchOrders, request)
            return [order.order_id async for chunk in chunks for order in chunk.orders]

        with self._step("search"):
            ids, milliseconds = await until_visible(found, limit=self._limit)
            if ids != [order_id]:
                raise _wrong(f"the added item's word finds {len(ids)} orders and not the one that has it")
            return self._timed("search", milliseconds)

    def _timed(self, path: str, milliseconds: float) -> float:
        """The seconds that it took, measured; what came too late has failed.

        Raises:
            CallFailed: it did.
        """
        seconds = milliseconds / 1000
        self._delay.record(seconds, {"orderflow.canary.path": path})
        if seconds > self._limit:
            late = f"{path} shows the change after {seconds:.3f} s, and has {self._limit:g} s for it"
            raise CallFailed(Failure(code=grpc.StatusCode.DEADLINE_EXCEEDED, message=late, advised=_TOO_LATE))
        return seconds

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        try:
            yield
        except CallFailed:
            self._failures.add(1, {"orderflow.canary.step": name})
            raise

    async def _unless(
        self,
        reasons: Collection[str],
        method: "grpc.aio.UnaryUnaryMultiCallable[AnyCommand, Response]",
        request: AnyCommand,
    ) -> None:
        """Sends a command of which these refusals mean that there is nothing to do."""
        try:
            await self._client.command(method, request)
        except CallFailed as failed:
            if failed.failure.reason not in reasons:
                raise


def add_to(app: typer.Typer) -> None:
    """Adds the command to the top level."""
    command(app, "canary", "canary", "canary --every 60 --name eu-1")(canary)


def _named(given: str) -> str:
    """The name as given.

    Raises:
        typer.BadParameter: it is blank.
    """
    if not given.strip():
        raise typer.BadParameter("a canary needs a name")
    return given


async def canary(
    session: Session,
    every: Annotated[
        float | None,
        typer.Option(
            min=1,
            envvar="ORDERFLOW_CANARY_EVERY",
            help="Seconds between rounds; go on until stopped.",
            show_default="one",
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option(envvar="ORDERFLOW_CANARY_NAME", callback=_named, help="Of its own where several run at once."),
    ] = "canary",
    within: Annotated[float, typer.Option(min=0.1, help="Seconds within which queries must show the change.")] = 30.0,
) -> None:
    """Change an order of the canary's own and wait until queries show it.

    Once it exits with 0 if all went well, and otherwise as of the call that failed. With --every it goes on, whatever
    fails, until SIGTERM or Ctrl-C, and exports OpenTelemetry's metrics as its standard variables say.
    """
    with telemetry("orderflow-canary") if every else nullcontext():
        rounds = Canary(
            session.client,
            metrics.get_meter("ordersctl"),
            name=name,
            limit=within,
            today=lambda: datetime.now(UTC).date(),
        )
        if every is None:
            _say(session, *await rounds.round())
        else:
            await _go_on(session, rounds, every)


async def _go_on(session: Session, rounds: Canary, every: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():
        try:
            _say(session, *await rounds.round())
        except CallFailed as failed:
            session.output.failure(failed.failure)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)


def _say(session: Session, readable: float, searchable: float) -> None:
    session.output.facts(
        f"readable by id in {readable:.3f} s, searchable in {searchable:.3f} s",
        {"readable_seconds": round(readable, 3), "searchable_seconds": round(searchable, 3)},
    )


def _wrong(message: str) -> CallFailed:
    return CallFailed(Failure(code=grpc.StatusCode.INTERNAL, message=message))
