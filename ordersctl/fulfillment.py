"""`ordersctl fulfillment ...`."""

import asyncio
from typing import Annotated

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from orderflow.fulfillment.v1 import fulfillment_pb2, queries_pb2
from ordersctl import money, tables
from ordersctl.client import Client
from ordersctl.command import Session, command
from ordersctl.enums import value_name
from ordersctl.options import OrderId

app = typer.Typer(no_args_is_help=True, help="Show how orders of automatic fulfillment are moved on.")
FINAL = {fulfillment_pb2.FULFILLMENT_STEP_COMPLETED, fulfillment_pb2.FULFILLMENT_STEP_CANCELLED}
_ASK_AGAIN_SECONDS = 0.5


@command(app, "get", "fulfillment get ORDER_ID", "fulfillment get ORDER_ID --watch")
async def get(
    session: Session,
    *,
    order_id: OrderId,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again whenever it changes, until its step is final.")
    ] = False,
) -> None:
    """Show an order's fulfillment: its step, what is reserved, what it waits for, what giving up would do."""
    shown = 0
    while True:
        found = await get_fulfillment(session.client, order_id)
        if found.version != shown:
            session.output.message(found, table(found))
            shown = found.version
        if not watch or found.step in FINAL:
            return
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def get_fulfillment(client: Client, order_id: str) -> queries_pb2.GetFulfillmentResponse:
    """An order's fulfillment.

    Raises:
        CallFailed: the call was refused, as where there is none, or failed.
    """
    return await client.call(client.fulfillments.GetFulfillment, queries_pb2.GetFulfillmentRequest(order_id=order_id))


def step_name(found: queries_pb2.GetFulfillmentResponse) -> str:
    """The step without its prefix."""
    return value_name(fulfillment_pb2.FulfillmentStep, found.step, "FULFILLMENT_STEP_")


def table(found: queries_pb2.GetFulfillmentResponse) -> RenderableType:
    """A fulfillment for people."""
    rows: list[tables.Row] = [
        ("order", found.order_id),
        ("version", str(found.version)),
        ("step", step_name(found)),
        ("waits until", tables.time_text(found.next_deadline_time)),
        ("failed attempts", str(found.attempts) if found.attempts else ""),
        ("last failure", found.last_error),
        ("cancel reason", found.cancel_reason),
        ("giving up now", _giving_up(found) if found.step not in FINAL else ""),
        ("began", tables.time_text(found.start_time)),
        ("updated", tables.time_text(found.update_time)),
    ]
    return Group(tables.facts(rows), _reservations(found))


def _giving_up(found: queries_pb2.GetFulfillmentResponse) -> str:
    would = found.compensation
    parts = [
        *(["cancels the order"] if would.cancels_order else []),
        *([f"releases {', '.join(would.release_skus)}"] if would.release_skus else []),
        *([f"{money.show(would.refund_due)} are due"] if would.HasField("refund_due") else []),
    ]
    return "; ".join(parts) or "changes nothing"


def _reservations(found: queries_pb2.GetFulfillmentResponse) -> Table:
    shown = Table("sku", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("quantity", justify="right")
    shown.add_column("state")
    shown.add_column("cause", overflow="fold")
    for each in found.reservations:
        state = value_name(fulfillment_pb2.ReservationState, each.state, "RESERVATION_STATE_")
        shown.add_row(*map(tables.as_text, (each.sku, str(each.quantity), state, each.cause)))
    return shown
