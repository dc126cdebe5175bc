"""`ordersctl order ...`: what shows orders."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import islice
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.views_pb2 import OrderView
from ordersctl import history, tables
from ordersctl.command import Session, command
from ordersctl.enums import value_name
from ordersctl.errors import CallFailed
from ordersctl.get_order import get_order
from ordersctl.options import MOST_INT64, TOKEN_OPTION, FacetName, Filter, OrderId, OrderPaging, time_of
from ordersctl.output import Rows, printable
from ordersctl.streamed import show_chunks

app = typer.Typer()
_MOST_VALUES = 12


@command(
    app,
    "get",
    "order get ORDER_ID",
    "order get ORDER_ID --token TOKEN_OF_A_COMMAND",
    "order get ORDER_ID --at-version 1",
    "order get ORDER_ID --as-of 2026-07-31T12:00:00Z",
)
async def get(
    session: Session,
    *,
    order_id: OrderId,
    min_version: Annotated[
        int | None, typer.Option(min=1, max=MOST_INT64, help="Wait until this version is visible.")
    ] = None,
    token: Annotated[list[str] | None, TOKEN_OPTION] = None,
    at_version: Annotated[int | None, typer.Option(min=1, max=MOST_INT64, help="As it was at this version.")] = None,
    as_of: Annotated[
        str,
        typer.Option(metavar="TIME", help="As it was at this time (ISO 8601; UTC unless it names a zone)."),
    ] = "",
) -> None:
    """Show an order, as it is or as it was."""
    as_of_time: Timestamp | None = time_of(as_of, "--as-of") if as_of else None
    request = queries_pb2.GetOrderRequest(
        order_id=order_id,
        min_version=min_version,
        consistency_tokens=token or [],
        at_version=at_version,
        as_of_time=as_of_time,
    )
    response = await get_order(session.client, request)
    session.output.message(response, tables.order(response.order, response.freshness))


@command(
    app,
    "list",
    "order list --customer ID",
    "order list --status pending --status confirmed --since 2026-07-01 --order-by 'total_amount desc' --limit 20",
    "order list --json | jq -r .order_id",
)
async def list_(session: Session, *, asked: Filter, paging: OrderPaging) -> None:
    """List orders, newest first, as they arrive."""
    request = queries_pb2.ListOrdersRequest(filter=asked.message(), **paging.request_fields)
    chunks = session.client.stream(session.client.queries.ListOrders, request)
    shown = await show_chunks(session, _rows(session), ((each.orders, each.resume_token) async for each in chunks))
    if not shown and not session.output.as_json:
        session.output.note("no orders")


@command(
    app,
    "search",
    "order search green tea",
    "order search zoe --status shipped --limit 20",
    "order search ada@example.org --json",
    "order search tea --facet status --facet month --limit 1",
    "order search -- '\"green tea\"' -lamp",
)
async def search(
    session: Session,
    *,
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS...", help="All must be found; after --, -word excludes.")
    ],
    asked: Filter,
    facet: Annotated[
        list[FacetName] | None, typer.Option(case_sensitive=False, help="Count all found by it; can be repeated.")
    ] = None,
    paging: OrderPaging,
) -> None:
    """Search orders by text, best match first; case and accents do not matter."""
    request = queries_pb2.SearchOrdersRequest(query=" ".join(words), filter=asked.message(), **paging.request_fields)
    request.facets.extend(queries_pb2.Facet.Value(f"FACET_{each.name}") for each in dict.fromkeys(facet or ()))
    found = 0
    counts: list[queries_pb2.FacetCounts] = []

    async def counted() -> AsyncIterator[tuple[Sequence[OrderView], str]]:
        nonlocal found
        async for chunk in session.client.stream(session.client.queries.SearchOrders, request):
            found += chunk.total  # in the first chunk only
            counts.extend(chunk.facet_counts)
            yield chunk.orders, chunk.resume_token

    shown = await show_chunks(session, _rows(session), counted())
    if shown < found or not session.output.as_json:
        session.output.note(f"{shown} of {found} found", shown=shown, found=found)
    for each in counts:
        _note_counts(session, each)


@command(app, "history", "order history ORDER_ID", "order history ORDER_ID --after-version 2")
async def show_history(
    session: Session,
    *,
    order_id: OrderId,
    after_version: Annotated[int, typer.Option(min=0, max=MOST_INT64, help="Only later events.")] = 0,
) -> None:
    """Show what happened to an order, event by event."""
    request = queries_pb2.GetOrderHistoryRequest(order_id=order_id, after_version=after_version)
    rows = Rows(session.output, history.event_rows)
    try:
        async for chunk in session.client.stream(session.client.queries.GetOrderHistory, request):
            rows.add(chunk.events)
    except CallFailed as failed:
        if failed.failure.reason == "ORDER_NOT_FOUND":  # to the event store itself: no token makes it appear
            raise failed.advised("check the id") from failed
        raise


def _note_counts(session: Session, counts: queries_pb2.FacetCounts) -> None:
    """Says how many of the orders found have each value of a facet; to people only the first values."""
    name = value_name(queries_pb2.Facet, counts.facet, "FACET_").lower()
    values = {each.value: each.order_count for each in counts.buckets}
    listed = [f"{count} {printable(value)}" for value, count in islice(values.items(), _MOST_VALUES)]
    others = counts.other_count + sum(islice(values.values(), _MOST_VALUES, None))
    text = f"by {name}: {', '.join([*listed, *([f'{others} of others'] if others else [])]) or 'none'}"
    session.output.note(text, facet=name, counts=values, others=counts.other_count)


def _rows(session: Session) -> Rows[OrderView]:
    return Rows(session.output, partial(tables.order_rows, tables.order_columns(session.output.out.width)))
