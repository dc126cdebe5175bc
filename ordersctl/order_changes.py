"""`ordersctl order at|diff|watch`: orders as they were, what changed between, and changes as they come."""

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Annotated, Any

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from rich.table import Table

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.views_pb2 import OrderView
from ordersctl import tables
from ordersctl.command import Session, command
from ordersctl.errors import CallFailed
from ordersctl.get_order import get_order
from ordersctl.options import MOST_INT64, Filter, OrderId, time_of
from ordersctl.output import Rows

app = typer.Typer()
_LONGEST_SILENCE_SECONDS = 120.0
"""A watch says now and then that nothing changed."""
Version = Annotated[int, typer.Argument(min=1, max=MOST_INT64)]


@command(app, "at", "order at ORDER_ID 2", "order at ORDER_ID 2026-07-31T12:00:00Z")
async def at(
    session: Session,
    *,
    order_id: OrderId,
    moment: Annotated[str, typer.Argument(metavar="MOMENT", help="A version, or a time in ISO 8601.")],
) -> None:
    """Show an order as it was at a version or a time."""
    request = queries_pb2.GetOrderRequest(order_id=order_id)
    if moment.isdecimal() and 0 < int(moment) <= MOST_INT64:
        request.at_version = int(moment)
    elif moment.lstrip("-").isdecimal():
        raise typer.BadParameter(f"{moment} is no version: they are 1 and more", param_hint="MOMENT")
    else:
        request.as_of_time.CopyFrom(time_of(moment, "MOMENT"))
    response = await get_order(session.client, request)
    session.output.message(response, tables.order(response.order, response.freshness))


@command(app, "diff", "order diff ORDER_ID 1", "order diff ORDER_ID 1 3 --json")
async def diff(
    session: Session,
    *,
    order_id: OrderId,
    before: Version,
    after: Annotated[
        int | None, typer.Argument(min=1, max=MOST_INT64, help="The newest that is visible unless given.")
    ] = None,
) -> None:
    """Show what changed in an order between two versions."""
    if after is None:
        present = await get_order(session.client, queries_pb2.GetOrderRequest(order_id=order_id))
        after = present.order.version
    first, second = [
        await get_order(session.client, queries_pb2.GetOrderRequest(order_id=order_id, at_version=version))
        for version in (before, after)
    ]
    rows = Rows(session.output, _change_rows)
    rows.add([_struct(each) for each in _changes(_flat(first.order), _flat(second.order))])
    if not rows.count and not session.output.as_json:
        session.output.note("nothing changed")


@command(app, "watch", "order watch --status pending", "order watch --customer ID --json | jq -c .order.status")
async def watch(
    session: Session,
    *,
    asked: Filter,
    resume_token: Annotated[
        str, typer.Option("--resume", metavar="TOKEN", help="Go on where an interrupted watch stopped.")
    ] = "",
) -> None:
    """Show orders, then each change to them as it comes, until interrupted."""
    request = queries_pb2.WatchOrdersRequest(filter=asked.message(), resume_token=resume_token)
    messages = Rows(session.output, partial(tables.order_rows, tables.order_columns(session.output.out.width)))
    async for message in _messages(session, request):
        if message.HasField("heartbeat"):
            continue
        if session.output.as_json:
            session.output.message(message, "")
        elif message.HasField("order"):
            messages.add([message.order])
        else:
            session.output.note(_news(message))


async def _messages(
    session: Session, request: queries_pb2.WatchOrdersRequest
) -> AsyncIterator[queries_pb2.WatchOrdersResponse]:
    """What a watch says; one that ended after it had said something is continued."""
    while True:
        before = request.resume_token
        try:
            stream = session.client.stream(
                session.client.queries.WatchOrders, request, longest_silence=_LONGEST_SILENCE_SECONDS
            )
            async for message in stream:
                request.resume_token = message.resume_token
                yield message
        except CallFailed as failed:
            if failed.failure.code != grpc.StatusCode.UNAVAILABLE or request.resume_token == before:
                token = request.resume_token
                raise failed.repeat_with("--resume", token) if token else failed from failed
        else:
            return


def _news(message: queries_pb2.WatchOrdersResponse) -> str:
    match message.WhichOneof("change"):
        case "removed_order_id":
            return f"not among them: {message.removed_order_id}"
        case "caught_up":
            return "these are all; changes follow"
        case _:
            return "the read model was rebuilt: all orders follow anew"


def _flat(view: OrderView) -> dict[str, str]:
    """The view's fields, also those of its messages and lists, as text by path."""
    found: dict[str, str] = {}

    def visit(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                visit(f"{path}.{name}" if path else name, inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                visit(f"{path}[{index}]", inner)
        else:
            found[path] = str(value)

    visit("", MessageToDict(view, preserving_proto_field_name=True))
    return found


def _changes(first: Mapping[str, str], second: Mapping[str, str]) -> Iterable[dict[str, str]]:
    for field in dict.fromkeys([*first, *second]):
        before, after = first.get(field, ""), second.get(field, "")
        if before != after:
            yield {"field": field, "before": before, "after": after}


def _struct(change: Mapping[str, str]) -> Struct:
    struct = Struct()
    struct.update(change)
    return struct


def _change_rows(changes: Iterable[Struct], *, header: bool) -> Table:
    table = Table(box=None, show_header=header, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("field", "before", "after"):
        table.add_column(name, overflow="fold")
    for each in changes:
        table.add_row(*(tables.as_text(str(each[name])) for name in ("field", "before", "after")))
    return table
