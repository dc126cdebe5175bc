"""`ordersctl stock ...`."""

from typing import Annotated, TypeAlias

import typer

from orderflow.inventory.v1 import commands_pb2 as pb
from orderflow.inventory.v1 import queries_pb2
from ordersctl import tables
from ordersctl.accepted import show_accepted
from ordersctl.command import Session, command
from ordersctl.options import MOST_INT64, TOKEN_OPTION, Envelope, ExistingEnvelope, StockPaging
from ordersctl.output import Rows
from ordersctl.streamed import show_chunks

app = typer.Typer(no_args_is_help=True, help="Set, adjust, reserve, release, commit and show stock.")
Sku = Annotated[str, typer.Argument(metavar="SKU", help="The product's stock keeping unit.")]
OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order: a UUID.")]
Response: TypeAlias = (
    pb.UpdateInventoryResponse | pb.ReserveStockResponse | pb.ReleaseStockResponse | pb.CommitStockResponse
)


@command(app, "set", "stock set TEA-1 120")
async def set_(
    session: Session,
    *,
    sku: Sku,
    pieces: Annotated[int, typer.Argument(min=0, max=1_000_000_000, help="How many pieces there are, as counted.")],
    envelope: ExistingEnvelope,
) -> None:
    """Set how many pieces of a product there are."""
    request = pb.UpdateInventoryRequest(**envelope.request_fields, sku=sku, set=pieces)
    response = await session.client.command(session.client.stock.UpdateInventory, request)
    _show(session, response, envelope)


@command(app, "adjust", "stock adjust TEA-1 24", "stock adjust TEA-1 -- -2")
async def adjust(
    session: Session,
    *,
    sku: Sku,
    by: Annotated[int, typer.Argument(help="How many pieces came in; negative, after --, where they are gone.")],
    envelope: ExistingEnvelope,
) -> None:
    """Adjust how many pieces of a product there are."""
    request = pb.UpdateInventoryRequest(**envelope.request_fields, sku=sku, adjust=by)
    response = await session.client.command(session.client.stock.UpdateInventory, request)
    _show(session, response, envelope)


@command(app, "reserve", "stock reserve TEA-1 ORDER_ID 3")
async def reserve(
    session: Session,
    *,
    sku: Sku,
    order_id: OrderId,
    quantity: Annotated[int, typer.Argument(min=1, max=1_000_000, help="How many.")],
    envelope: ExistingEnvelope,
) -> None:
    """Hold pieces of a product for an order."""
    request = pb.ReserveStockRequest(**envelope.request_fields, sku=sku, order_id=order_id, quantity=quantity)
    response = await session.client.command(session.client.stock.ReserveStock, request)
    _show(session, response, envelope)


@command(app, "release", "stock release TEA-1 ORDER_ID")
async def release(session: Session, *, sku: Sku, order_id: OrderId, envelope: ExistingEnvelope) -> None:
    """Give back what an order holds."""
    request = pb.ReleaseStockRequest(**envelope.request_fields, sku=sku, order_id=order_id)
    response = await session.client.command(session.client.stock.ReleaseStock, request)
    _show(session, response, envelope)


@command(app, "commit", "stock commit TEA-1 ORDER_ID")
async def commit(session: Session, *, sku: Sku, order_id: OrderId, envelope: ExistingEnvelope) -> None:
    """Take what an order holds off the stock: it was shipped."""
    request = pb.CommitStockRequest(**envelope.request_fields, sku=sku, order_id=order_id)
    response = await session.client.command(session.client.stock.CommitStock, request)
    _show(session, response, envelope)


@command(app, "get", "stock get TEA-1", "stock get TEA-1 --token TOKEN_OF_A_COMMAND")
async def get(
    session: Session,
    *,
    sku: Sku,
    min_version: Annotated[
        int | None, typer.Option(min=1, max=MOST_INT64, help="Wait until this version is visible.")
    ] = None,
    token: Annotated[list[str] | None, TOKEN_OPTION] = None,
) -> None:
    """Show how many pieces of a product there are, as queries see it."""
    request = queries_pb2.GetStockItemRequest(sku=sku, min_version=min_version, consistency_tokens=token or [])
    response = await session.client.call(session.client.stock_queries.GetStockItem, request)
    session.output.message(response, tables.stock_item(response.stock_item, response.freshness))


@command(app, "list", "stock list", "stock list --prefix TEA- --order-by available", "stock list --max-available 0")
async def list_(
    session: Session,
    *,
    prefix: Annotated[str, typer.Option(help="Only products whose SKU begins so.")] = "",
    max_available: Annotated[
        int | None, typer.Option(min=0, max=MOST_INT64, help="Only products with at most so many available pieces.")
    ] = None,
    paging: StockPaging,
) -> None:
    """List stock by SKU, as it arrives."""
    asked = queries_pb2.StockItemFilter(sku_prefix=prefix, max_available=max_available)
    request = queries_pb2.ListStockItemsRequest(filter=asked, **paging.request_fields)
    chunks = session.client.stream(session.client.stock_queries.ListStockItems, request)
    rows = Rows(session.output, tables.stock_rows)
    shown = await show_chunks(session, rows, ((each.stock_items, each.resume_token) async for each in chunks))
    if not shown and not session.output.as_json:
        session.output.note("no stock")


def _show(session: Session, response: Response, envelope: Envelope) -> None:
    facts = [
        ("sku", response.sku),
        ("on hand", str(response.on_hand)),
        ("reserved", str(response.reserved)),
        ("available", str(response.available)),
    ]
    show_accepted(session, response, facts, envelope)
