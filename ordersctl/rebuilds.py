"""`ordersctl projection rebuild` and `rollback`: read models made anew, and the way back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import grpc
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from orderflow.admin.v1 import rebuild_pb2 as pb
from ordersctl.command import Session, command
from ordersctl.enums import value_name
from ordersctl.errors import CallFailed, Failure
from ordersctl.options import MOST_INT64
from ordersctl.tables import facts, time_text

app = typer.Typer()
_POLL_SECONDS = 0.5
_OVER = (pb.REBUILD_PHASE_DONE, pb.REBUILD_PHASE_FAILED)

Name = Annotated[str, typer.Argument(metavar="PROJECTION", help='Such as "orders"; `projection list` shows them.')]


@command(app, "rebuild", "projection rebuild orders", "projection rebuild orders --follow")
async def rebuild(
    session: Session,
    name: Name,
    *,
    ignore_differences: Annotated[
        bool, typer.Option("--ignore-differences", help="Switch even if it lacks what the live one has.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Begin none; follow the one that was begun last.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
) -> None:
    """Make a read model anew from the event log; queries move to it once it is complete, and notice nothing.

    In a pipe each change of its progress is a line. Interrupting this command does not end the rebuild.
    """
    client = session.client
    if follow:
        begun = (await client.call(client.projections.GetRebuild, pb.GetRebuildRequest(name=name))).rebuild
    else:
        request = pb.RebuildProjectionRequest(name=name, ignore_differences=ignore_differences)
        begun = (await client.call(client.projections.RebuildProjection, request)).rebuild
    ended = await _followed(session, begun) if wait else begun
    if not session.output.as_json or not wait:
        session.output.message(ended, _facts(ended))
    if ended.phase == pb.REBUILD_PHASE_FAILED:
        raise CallFailed(Failure(code=grpc.StatusCode.INTERNAL, message=f"queries see no change: {ended.failure}"))


@command(app, "rollback", "projection rollback orders", "projection rollback orders --generation 3")
async def rollback(
    session: Session,
    name: Name,
    *,
    generation: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_INT64, help="The one to return to.", show_default="the one that was live before"),
    ] = None,
) -> None:
    """Have queries answered from a generation that was kept; both go on being fed."""
    request = pb.RollbackProjectionRequest(name=name, generation=generation or 0)
    response = await session.client.call(session.client.projections.RollbackProjection, request)
    rows = [("live", f"generation {response.generation}"), ("kept", f"generation {response.replaced_generation}")]
    session.output.message(response, facts(rows, title=name))


async def _followed(session: Session, begun: pb.Rebuild) -> pb.Rebuild:
    """The rebuild as it ends; what comes before is shown: as a bar, or in lines."""
    rebuild = begun
    if session.output.as_json:
        async for rebuild in _states(session, begun):
            session.output.message(rebuild, Text())
        return rebuild
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=session.output.err, transient=True) as progress:
        bar = progress.add_task("", rate="")
        async for rebuild in _states(session, begun):
            progress.update(
                bar,
                description=_phase(rebuild),
                completed=rebuild.done_count,
                total=rebuild.total_count or None,
                rate=f"{rebuild.rate}/s" if rebuild.rate else "",
            )
    return rebuild


async def _states(session: Session, rebuild: pb.Rebuild) -> AsyncIterator[pb.Rebuild]:
    """How far it is, whenever that has changed, up to its end."""
    request = pb.GetRebuildRequest(name=rebuild.projection, generation=rebuild.generation)
    yield rebuild
    while rebuild.phase not in _OVER:
        await asyncio.sleep(_POLL_SECONDS)
        told = (await session.client.call(session.client.projections.GetRebuild, request)).rebuild
        if told != rebuild:
            yield told
        rebuild = told


def _phase(rebuild: pb.Rebuild) -> str:
    return value_name(pb.RebuildPhase, rebuild.phase, "REBUILD_PHASE_").lower().replace("_", " ")


def _facts(rebuild: pb.Rebuild) -> Text:
    return facts(
        [
            ("generation", str(rebuild.generation)),
            ("phase", _phase(rebuild)),
            ("begun", time_text(rebuild.start_time)),
            ("ended", time_text(rebuild.end_time)),
            ("not folded", str(rebuild.unfolded_count) if rebuild.unfolded_count else ""),
        ],
        title=rebuild.projection,
    )
