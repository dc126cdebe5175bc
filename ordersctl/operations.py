"""`ordersctl projection ...` and `ordersctl relay ...`: how far what runs behind the commands has come."""

import typer
from rich import box
from rich.console import Group
from rich.table import Table

from orderflow.admin.v1.projection_admin_service_pb2 import ListProjectionsRequest, ListProjectionsResponse
from orderflow.admin.v1.rebuild_pb2 import GENERATION_STATE_LIVE, Generation, GenerationState
from orderflow.admin.v1.relay_admin_service_pb2 import GetRelayStatusRequest, GetRelayStatusResponse
from ordersctl.command import Session, command
from ordersctl.enums import value_name
from ordersctl.tables import as_text, duration_text, time_text

projections = typer.Typer()
relay = typer.Typer(no_args_is_help=True, help="What publishes the event log.")


@command(projections, "list", "projection list", "projection list --json | jq .projections")
async def list_projections(session: Session) -> None:
    """List the projections and how far they have come."""
    response = await session.client.call(session.client.projections.ListProjections, ListProjectionsRequest())
    session.output.message(response, Group(_projection_table(response), _freshness_table(response)))


@command(relay, "status", "relay status")
async def relay_status(session: Session) -> None:
    """Show how far each shard of the log has been published."""
    response = await session.client.call(session.client.relay.GetRelayStatus, GetRelayStatusRequest())
    session.output.message(response, _shard_table(response))


def _projection_table(response: ListProjectionsResponse) -> Table:
    """A row for each generation."""
    table = Table("projection", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("index", no_wrap=True)  # to be copied; it ends in the generation
    for name in ("documents", "lag (events)", "lag (age)"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for each in response.projections:
        for generation in each.generations:
            counts = (str(generation.document_count), str(generation.lag_events))
            lag = duration_text(generation.lag_duration)
            table.add_row(*map(as_text, (each.name, generation.index, *counts, lag, _state(each.name, generation))))
    return table


def _freshness_table(response: ListProjectionsResponse) -> Table:
    """A row for each projection."""
    table = Table("projection", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("positions behind the log", "quarantined"):
        table.add_column(name, justify="right")
    table.add_column("heartbeat of the projector that answers")
    for each in response.projections:
        behind = str(each.unindexed_positions) if each.HasField("unindexed_positions") else "not known"
        heartbeat = time_text(each.heartbeat_time) or "none: it feeds nothing"
        table.add_row(*map(as_text, (each.name, behind, str(each.quarantined_count), heartbeat)))
    return table


def _state(projection: str, generation: Generation) -> str:
    state = value_name(GenerationState, generation.state, "GENERATION_STATE_").lower()
    if generation.mapping_current:
        return state
    advice = f": `ordersctl projection rebuild {projection}`" if generation.state == GENERATION_STATE_LIVE else ""
    return f"{state}, of another mapping than this projector writes{advice}"


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
