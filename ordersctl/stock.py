"""`ordersctl stock ...`."""

from typing import Annotated, TypeAlias

import typer

from orderflow.inventory.v1 import commands_pb2 as pb
from ordersctl.accepted import show_accepted
from ordersctl.command import Session, command
from ordersctl.options import Envelope, ExistingEnvelope

app = typer.Typer(no_args_is_help=True, help="Set, adjust, reserve, release and commit stock.")
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


def _show(session: Session, response: Response, envelope: Envelope) -> None:
    facts = [
        ("sku", response.sku),
        ("on hand", str(response.on_hand)),
        ("reserved", str(response.reserved)),
        ("available", str(response.available)),
    ]
    show_accepted(session, response, facts, envelope)
