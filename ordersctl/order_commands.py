"""`ordersctl order ...`: what changes an order."""

import re
from dataclasses import dataclass, field
from typing import Annotated, TypeVar, cast

import grpc
import typer
from google.protobuf.message import Message

from orderflow.common.v1.address_pb2 import Address
from orderflow.orders.v1 import commands_pb2
from orderflow.orders.v1.order_pb2 import FulfillmentMode, OrderItem
from ordersctl import tables
from ordersctl.client import AnyCommand
from ordersctl.command import Session, command
from ordersctl.errors import CallFailed
from ordersctl.options import MOST_INT32, Currency, Envelope, ExistingEnvelope, Fulfillment, OrderId, Wait, amount_of
from ordersctl.visibility import order_until_visible

app = typer.Typer()
Answer = TypeVar("Answer", bound=tables.OrderAnswer)
Item = Annotated[str, typer.Argument(metavar="SKU:NAME:QUANTITY:PRICE", help="Such as TEA-1:Green tea:2:19.99")]
Amount = Annotated[str, typer.Option(metavar="DECIMAL", help="Such as 19.99, in the order's currency.")]
_ITEM_PARTS = 4
_QUANTITY_DIGITS = 11
_EXAMPLE_ADDRESS = "no address given: the example address is used; see --help"


@dataclass(frozen=True, kw_only=True)
class ShippingAddress:
    """Where an order goes; the defaults make a valid address to play with."""

    recipient: Annotated[str, typer.Option(help="Who receives the goods.")] = "Ada Lovelace"
    street: Annotated[list[str], typer.Option(help="Address line; can be repeated.")] = field(
        default_factory=lambda: ["12 Example Street"]
    )
    postal_code: Annotated[str, typer.Option(help="Empty where the region has none.")] = "N1 1AA"
    city: Annotated[str, typer.Option(help="City, town or village.")] = "London"
    area: Annotated[str, typer.Option(help="State, province or prefecture.")] = ""
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2, such as GB.")] = "GB"

    def message(self) -> Address:
        """The address as the contract has it."""
        return Address(
            recipient=self.recipient,
            address_lines=self.street,
            postal_code=self.postal_code,
            locality=self.city,
            administrative_area=self.area,
            region_code=self.country,
        )


@command(
    app,
    "create",
    'order create --customer 5f0c2a52-6f0e-4f0c-9a57-1f2b6f6f8a01 --item "TEA-1:Green tea:2:19.99"',
    'order create --customer ID --item "TEA-1:Green tea:2:19.99" --item CUP-7:Cup:1:8.50 --currency EUR --wait',
    "order create --customer ID --item TEA-1:Matcha:1:19.99 --recipient 'Zoë Berg' --street 'Kanalweg 3'"
    " --postal-code 10115 --city Berlin --country DE",
    "order create --customer ID --item TEA-1:Matcha:1:19.99 --fulfillment automatic",
)
async def create(
    session: Session,
    *,
    customer: Annotated[str, typer.Option(metavar="ID", help="Whose order: a UUID; need not be known yet.")],
    item: Annotated[
        list[str],
        typer.Option(metavar="SKU:NAME:QUANTITY:PRICE", help="One line; the name may contain colons. Can be repeated."),
    ],
    currency: Currency = "EUR",
    order_id: Annotated[str, typer.Option(metavar="ID", help="A UUID.", show_default="the server chooses")] = "",
    fulfillment: Annotated[
        Fulfillment,
        typer.Option(case_sensitive=False, help="Who moves it on: you by commands, or the fulfillment process."),
    ] = Fulfillment.MANUAL,
    wait: Wait = False,
    address: ShippingAddress,
    envelope: Envelope,
) -> None:
    """Create an order."""
    request = commands_pb2.CreateOrderRequest(
        **envelope.request_fields,
        order_id=order_id,
        customer_id=customer,
        items=[_item(text, currency, "--item") for text in item],
        shipping_address=address.message(),
        fulfillment_mode=FulfillmentMode.Value(f"FULFILLMENT_MODE_{fulfillment.name}"),
    )
    await _accept(session, session.client.orders.CreateOrder, request, wait=wait)
    if address == ShippingAddress():
        session.output.note(_EXAMPLE_ADDRESS, note=_EXAMPLE_ADDRESS)


@command(app, "add-item", 'order add-item ORDER_ID "CUP-7:Cup with saucer:2:8.50"')
async def add_item(
    session: Session,
    *,
    order_id: OrderId,
    item: Item,
    currency: Currency = "EUR",
    wait: Wait = False,
    envelope: ExistingEnvelope,
) -> None:
    """Add a line to a pending order."""
    added = _item(item, currency, "ITEM")
    request = commands_pb2.AddItemRequest(**envelope.request_fields, order_id=order_id, item=added)
    await _accept(session, session.client.orders.AddItem, request, wait=wait)


@command(app, "remove-item", "order remove-item ORDER_ID CUP-7 --quantity 1")
async def remove_item(
    session: Session,
    *,
    order_id: OrderId,
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The product's stock keeping unit.")],
    quantity: Annotated[int, typer.Option(min=1, max=MOST_INT32, help="How many to take off.")] = 1,
    wait: Wait = False,
    envelope: ExistingEnvelope,
) -> None:
    """Take units of a product off a pending order."""
    request = commands_pb2.RemoveItemRequest(**envelope.request_fields, order_id=order_id, sku=sku, quantity=quantity)
    await _accept(session, session.client.orders.RemoveItem, request, wait=wait)


@command(app, "pay", "order pay ORDER_ID --reference invoice-7 --amount 48.48")
async def pay(
    session: Session,
    *,
    order_id: OrderId,
    reference: Annotated[str, typer.Option(help="Names the payment; the same one again changes nothing.")],
    amount: Amount,
    currency: Currency = "EUR",
    wait: Wait = False,
    envelope: ExistingEnvelope,
) -> None:
    """Record a payment for an order. Moves no money."""
    request = commands_pb2.RecordPaymentRequest(
        **envelope.request_fields,
        order_id=order_id,
        payment_reference=reference,
        amount=amount_of(amount, currency, "--amount"),
    )
    await _accept(session, session.client.orders.RecordPayment, request, wait=wait)


@command(app, "refund", "order refund ORDER_ID --reference credit-7 --amount 8.50")
async def refund(
    session: Session,
    *,
    order_id: OrderId,
    reference: Annotated[str, typer.Option(help="Names the refund; the same one again changes nothing.")],
    amount: Amount,
    currency: Currency = "EUR",
    wait: Wait = False,
    envelope: ExistingEnvelope,
) -> None:
    """Record that money was given back. Moves no money."""
    request = commands_pb2.RecordRefundRequest(
        **envelope.request_fields,
        order_id=order_id,
        refund_reference=reference,
        amount=amount_of(amount, currency, "--amount"),
    )
    await _accept(session, session.client.orders.RecordRefund, request, wait=wait)


@command(app, "confirm", "order confirm ORDER_ID", "order confirm ORDER_ID --expected-version 2 --wait")
async def confirm(session: Session, *, order_id: OrderId, wait: Wait = False, envelope: ExistingEnvelope) -> None:
    """Confirm a pending order, which fixes its items."""
    request = commands_pb2.ConfirmOrderRequest(**envelope.request_fields, order_id=order_id)
    await _accept(session, session.client.orders.ConfirmOrder, request, wait=wait)


@command(app, "ship", "order ship ORDER_ID --tracking 1Z999AA10123456784")
async def ship(
    session: Session,
    *,
    order_id: OrderId,
    tracking: Annotated[str, typer.Option(metavar="NUMBER", help="The carrier's number for the parcel.")],
    wait: Wait = False,
    envelope: ExistingEnvelope,
) -> None:
    """Record that a confirmed order was handed to the carrier."""
    request = commands_pb2.ShipOrderRequest(**envelope.request_fields, order_id=order_id, tracking_number=tracking)
    await _accept(session, session.client.orders.ShipOrder, request, wait=wait)


@command(app, "deliver", "order deliver ORDER_ID")
async def deliver(session: Session, *, order_id: OrderId, wait: Wait = False, envelope: ExistingEnvelope) -> None:
    """Record that a shipped order reached its recipient."""
    request = commands_pb2.DeliverOrderRequest(**envelope.request_fields, order_id=order_id)
    await _accept(session, session.client.orders.DeliverOrder, request, wait=wait)


@command(app, "cancel", "order cancel ORDER_ID --reason 'ordered twice'")
async def cancel(
    session: Session,
    *,
    order_id: OrderId,
    reason: Annotated[str, typer.Option(help="Why, for people.")],
    wait: Wait = False,
    envelope: ExistingEnvelope,
) -> None:
    """Cancel an order that is pending, confirmed or shipped."""
    request = commands_pb2.CancelOrderRequest(**envelope.request_fields, order_id=order_id, reason=reason)
    await _accept(session, session.client.orders.CancelOrder, request, wait=wait)


async def _accept(
    session: Session,
    method: grpc.aio.UnaryUnaryMultiCallable[AnyCommand, Answer],
    request: AnyCommand,
    *,
    wait: bool,
) -> None:
    """Sends a command and shows its answer, then waits for the query side where that was asked for."""
    if wait and request.validate_only:
        raise typer.BadParameter("nothing becomes visible with --validate-only", param_hint="--wait")
    response = await session.client.command(method, request)
    title = "valid; nothing was changed" if request.validate_only else "accepted"
    message = cast("Message", response)  # every answer is one, which a protocol cannot say
    shown = tables.order_answer(response, title=title, request_id=request.request_id)
    session.output.message(message, shown, {"request_id": request.request_id})
    if wait:
        order_id, token = response.order_id, response.consistency_token
        try:
            seen, milliseconds = await order_until_visible(session.client, order_id, token)
        except CallFailed as failed:
            advice = f"the command was accepted; look later: `ordersctl order get {order_id} --token {token}`"
            raise failed.advised(advice).repeat_with("--request-id", request.request_id) from failed
        facts = f"visible to queries after {milliseconds:.0f} ms"
        session.output.note(facts, visible_after_ms=round(milliseconds), visible_version=seen.order.version)


def _item(text: str, currency: str, option: str) -> OrderItem:
    """The line that SKU:NAME:QUANTITY:PRICE says; only the name may contain colons."""
    sku, _, rest = text.partition(":")
    parts = [sku, *rest.rsplit(":", 2)]
    if len(parts) != _ITEM_PARTS or not re.fullmatch(r"-?\d+", parts[2]):
        raise typer.BadParameter(f"{text!r} is not SKU:NAME:QUANTITY:PRICE", param_hint=option)
    if len(parts[2]) > _QUANTITY_DIGITS or not 0 <= int(parts[2]) <= MOST_INT32:
        raise typer.BadParameter(f"the quantity {parts[2]} is out of range", param_hint=option)
    price = amount_of(parts[3], currency, option)
    return OrderItem(sku=sku, product_name=parts[1], quantity=int(parts[2]), unit_price=price)
