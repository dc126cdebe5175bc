"""The whole command line: its global options and all of its commands."""

from typing import Annotated

import typer

from ordersctl import (
    canary,
    customers,
    demo,
    fulfillment,
    operations,
    order_changes,
    order_commands,
    order_queries,
    quarantine,
    rebuilds,
    stock,
    trace_commands,
)
from ordersctl.client import Addresses
from ordersctl.command import JSON_HELP, Settings, examples_text
from ordersctl.connection import checked_address, checked_seconds

_HELP = """orderflow's command line: send commands, ask queries, and see how the parts behind them do.

Everything goes over gRPC, and traces come from Jaeger.
On a terminal answers are tables; in a pipe each is one line of JSON.
Start with [bold]ordersctl demo[/bold]."""
_EXIT_STATUSES = """

[bold]Exit status[/bold]
0    accepted or answered
1    refused: a rule, a wrong field, not found, exists already, another version
2    wrong usage
3    unavailable, too late or overloaded: the same again may succeed
4    anything else
130  interrupted"""
_EXAMPLES = (
    "demo",
    "order list --customer ID",
    "--json order get ORDER_ID | jq .order.status",
)


def build() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        name="ordersctl",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        epilog=examples_text(_EXAMPLES) + _EXIT_STATUSES,
        help=_HELP,
    )
    app.callback()(_remember)
    demo.add_to(app)
    canary.add_to(app)
    app.add_typer(_orders(), name="order")
    app.add_typer(customers.app, name="customer")
    app.add_typer(stock.app, name="stock")
    app.add_typer(fulfillment.app, name="fulfillment")
    app.add_typer(_projections(), name="projection")
    app.add_typer(quarantine.app, name="quarantine")
    app.add_typer(operations.relay, name="relay")
    app.add_typer(trace_commands.app, name="trace")
    return app


def _orders() -> typer.Typer:
    orders = typer.Typer(no_args_is_help=True, help="Change and show orders.")
    orders.add_typer(order_commands.app)
    orders.add_typer(order_queries.app)
    orders.add_typer(order_changes.app)
    return orders


def _projections() -> typer.Typer:
    projections = typer.Typer(no_args_is_help=True, help="What is indexed for queries, and made anew.")
    projections.add_typer(operations.projections)
    projections.add_typer(rebuilds.app)
    return projections


def _remember(
    ctx: typer.Context,
    *,
    command_address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            callback=checked_address,
            envvar=["ORDERFLOW_COMMAND_ADDRESS", "COMMAND_SERVICE_ADDRESS"],
            help="Command service.",
        ),
    ] = "127.0.0.1:50051",
    query_address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            callback=checked_address,
            envvar=["ORDERFLOW_QUERY_ADDRESS", "QUERY_SERVICE_ADDRESS"],
            help="Query service.",
        ),
    ] = "127.0.0.1:50052",
    projector_address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            callback=checked_address,
            envvar=["ORDERFLOW_PROJECTOR_ADDRESS", "PROJECTOR_ADDRESS"],
            help="Projector.",
        ),
    ] = "127.0.0.1:50053",
    timeout: Annotated[float, typer.Option(callback=checked_seconds, help="Seconds that an answer may take.")] = 10.0,
    as_json: Annotated[bool | None, typer.Option("--json/--table", help=JSON_HELP)] = None,
) -> None:
    addresses = Addresses(command=command_address, query=query_address, projector=projector_address)
    ctx.obj = Settings(addresses=addresses, timeout=timeout, as_json=as_json)
