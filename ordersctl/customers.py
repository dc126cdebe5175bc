"""`ordersctl customer ...`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from orderflow.admin.v1.erasure_pb2 import CheckLogErasureRequest, CheckReadModelErasureRequest, ErasureFinding
from orderflow.customers.v1 import commands_pb2, queries_pb2
from orderflow.orders.v1 import queries_pb2 as order_queries
from ordersctl import tables
from ordersctl.accepted import show_accepted
from ordersctl.command import Session, command
from ordersctl.exit_codes import FAILED
from ordersctl.options import TOKEN_OPTION, Envelope, ExistingEnvelope, Filter, Paging
from ordersctl.output import Rows
from ordersctl.streamed import show_chunks

app = typer.Typer(no_args_is_help=True, help="Register, change, erase and show customers.")
CustomerId = Annotated[str, typer.Argument(metavar="CUSTOMER_ID", help="The customer: a UUID.")]
_LONGEST_CHECK = 600.0


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


@command(app, "erase", "customer erase CUSTOMER_ID")
async def erase(session: Session, *, customer_id: CustomerId, envelope: ExistingEnvelope) -> None:
    """Erase a customer's personal data, for good: name, e-mail address, and their orders' shipping addresses."""
    request = commands_pb2.EraseCustomerRequest(**envelope.request_fields, customer_id=customer_id)
    response = await session.client.command(session.client.customers.EraseCustomer, request)
    show_accepted(session, response, [("customer", response.customer_id)], envelope)


@command(app, "erasure-check", "customer erasure-check CUSTOMER_ID")
async def erasure_check(session: Session, *, customer_id: CustomerId) -> None:
    """Show, store by store, what is left of an erased customer; exits with 4 if anything is.

    The whole event log is read for it, which takes minutes where that is long. Just after an erasure give queries some
    seconds to follow.
    """
    client = session.client
    log = await client.call(
        client.personal_data.CheckLogErasure, CheckLogErasureRequest(customer_id=customer_id), longest=_LONGEST_CHECK
    )
    views = await client.call(
        client.projections.CheckReadModelErasure,
        CheckReadModelErasureRequest(customer_id=customer_id),
        longest=_LONGEST_CHECK,
    )
    rows = Rows(session.output, _finding_table)
    rows.add([*log.findings, *views.findings])
    if any(each.remaining_count for each in (*log.findings, *views.findings)):
        raise typer.Exit(FAILED)


def _finding_table(findings: Sequence[ErasureFinding], *, header: bool) -> Table:
    table = Table("store", "place", box=box.SIMPLE_HEAD, show_header=header, pad_edge=False)
    for name in ("looked at", "left"):
        table.add_column(name, justify="right")
    table.add_column("what was found", overflow="fold")
    for each in findings:
        style = "red" if each.remaining_count else ""
        counts = (str(each.examined_count), str(each.remaining_count))
        table.add_row(*map(tables.as_text, (each.store, each.place, *counts, each.detail)), style=style)
    return table


@command(app, "get", "customer get CUSTOMER_ID")
async def get(session: Session, *, customer_id: CustomerId) -> None:
    """Show a customer."""
    request = queries_pb2.GetCustomerRequest(customer_id=customer_id)
    response = await session.client.call(session.client.customers.GetCustomer, request)
    session.output.message(response, tables.customer(response.customer))


@command(app, "summary", "customer summary CUSTOMER_ID", "customer summary CUSTOMER_ID --token TOKEN_OF_A_COMMAND")
async def summary(
    session: Session, *, customer_id: CustomerId, token: Annotated[list[str] | None, TOKEN_OPTION] = None
) -> None:
    """Show a customer's orders in figures."""
    request = order_queries.GetCustomerSummaryRequest(customer_id=customer_id, consistency_tokens=token or [])
    response = await session.client.call(session.client.queries.GetCustomerSummary, request)
    session.output.message(response, tables.customer_summary(response.summary))


@command(app, "summaries", "customer summaries", "customer summaries --status confirmed --since 2026-07-01")
async def summaries(session: Session, *, asked: Filter, paging: Paging) -> None:
    """List customers with their orders in figures, in order of their id."""
    request = order_queries.ListCustomerSummariesRequest(filter=asked.message(), **paging.request_fields)
    chunks = session.client.stream(session.client.queries.ListCustomerSummaries, request)
    rows = Rows(session.output, tables.customer_summary_rows)
    shown = await show_chunks(session, rows, ((each.summaries, each.resume_token) async for each in chunks))
    if not shown and not session.output.as_json:
        session.output.note("no customers with such orders")
