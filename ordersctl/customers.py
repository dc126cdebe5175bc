"""`ordersctl customer ...`."""

from typing import Annotated

import typer

from orderflow.customers.v1 import commands_pb2, queries_pb2
from ordersctl import tables
from ordersctl.accepted import show_accepted
from ordersctl.command import Session, command
from ordersctl.options import Envelope, ExistingEnvelope

app = typer.Typer(no_args_is_help=True, help="Register, change and show customers.")
CustomerId = Annotated[str, typer.Argument(metavar="CUSTOMER_ID", help="The customer: a UUID.")]


@command(app, "register", "customer register --name 'Zoë Berg' --email zoe@example.org")
async def register(
    session: Session,
    *,
    name: Annotated[str, typer.Option(help="The customer's name.")],
    email: Annotated[str, typer.Option(help="The customer's e-mail address.")],
    customer_id: Annotated[str, typer.Option(metavar="ID", help="A UUID.", show_default="the server chooses")] = "",
    envelope: Envelope,
) -> None:
    """Register a customer."""
    request = commands_pb2.RegisterCustomerRequest(
        **envelope.request_fields, customer_id=customer_id, name=name, email=email
    )
    response = await session.client.command(session.client.customers.RegisterCustomer, request)
    show_accepted(session, response, [("customer", response.customer_id)], envelope)


@command(app, "update", "customer update CUSTOMER_ID --email zoe.berg@example.org")
async def update(
    session: Session,
    *,
    customer_id: CustomerId,
    name: Annotated[str | None, typer.Option(help="The new name.", show_default="unchanged")] = None,
    email: Annotated[str | None, typer.Option(help="The new e-mail address.", show_default="unchanged")] = None,
    envelope: ExistingEnvelope,
) -> None:
    """Change a customer's name or e-mail address."""
    request = commands_pb2.UpdateCustomerRequest(
        **envelope.request_fields, customer_id=customer_id, name=name, email=email
    )
    response = await session.client.command(session.client.customers.UpdateCustomer, request)
    show_accepted(session, response, [("customer", response.customer_id)], envelope)


@command(app, "get", "customer get CUSTOMER_ID")
async def get(session: Session, *, customer_id: CustomerId) -> None:
    """Show a customer."""
    request = queries_pb2.GetCustomerRequest(customer_id=customer_id)
    response = await session.client.call(session.client.customers.GetCustomer, request)
    session.output.message(response, tables.customer(response.customer))
