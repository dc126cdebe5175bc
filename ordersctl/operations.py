"""`ordersctl projection ...` and `ordersctl relay ...`: how far what runs behind the commands has come."""

import typer
from rich import box
from rich.table import Table

from orderflow.admin.v1.projection_admin_service_pb2 import ListProjectionsRequest, ListProjectionsResponse
from orderflow.admin.v1.relay_admin_service_pb2 import GetRelayStatusRequest, GetRelayStatusResponse
from ordersctl.command import Session, command
from ordersctl.tables import as_text, duration_text, time_text

projections = typer.Typer(no_args_is_help=True, help="What is indexed for queries.")
relay = typer.Typer(no_args_is_help=True, help="What publishes the event log.")


@command(projections, "list", "projection list", "projection list --json | jq .projections")
async def list_projections(session: Session) -> None:
    """List the projections and how far they have come."""
    response = await session.client.call(session.client.projections.ListProjections, ListProjectionsRequest())
    session.output.message(response, _projection_table(response))


@command(relay, "status", "relay status")
async def relay_status(session: Session) -> None:
    """Show how far each shard of the log has been published."""
    response = await session.client.call(session.client.relay.GetRelayStatus, GetRelayStatusRequest())
    session.output.message(response, _shard_table(response))


def _projection_table(response: ListProjectionsResponse) -> Table:
    table = Table("projection", "index", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("generation", "documents", "lag (events)", "lag (age)"):
        table.add_column(name, justify="right")
    for each in response.projections:
        counts = (str(each.generation), str(each.document_count), str(each.lag_events))
        table.add_row(*map(as_text, (each.name, each.index, *counts, duration_text(each.lag_duration))))
    return table


def _shard_table(response: GetRelayStatusResponse) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("shard", "published up to", "last event", "lag (events)", "lag (age)", "epoch"):
        table.add_column(name, justify="right")
    table.add_column("heartbeat")
    table.add_column("holder", overflow="fold")
    for each in response.shards:
        numbers = (each.log_shard, each.cursor_position, each.head_position, each.lag_events)
        heartbeat = time_text(each.heartbeat_time) or "never"
        rest = (duration_text(each.lag_duration), str(each.epoch), heartbeat, each.holder or "none")
        table.add_row(*map(as_text, (*map(str, numbers), *rest)))
    return table
