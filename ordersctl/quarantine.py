"""`ordersctl quarantine ...`: what cannot be projected, and what is done about it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich import box
from rich.table import Table
from rich.text import Text

from orderflow.admin.v1 import quarantine_pb2 as pb
from ordersctl import tables
from ordersctl.command import Session, command
from ordersctl.enums import value_name
from ordersctl.output import Rows

app = typer.Typer(no_args_is_help=True, help="What cannot be shown to queries, and what is done about it.")
EntryId = Annotated[str, typer.Argument(metavar="ENTRY", help="As the list names it, such as order/ORDER_ID.")]
Generation = Annotated[
    int | None, typer.Option(min=1, help="As `projection list` shows them.", show_default="the live one")
]
Projection = Annotated[
    str, typer.Option(help="Only this projection, as `projection list` shows them.", show_default="all")
]
_PREFIX = "QUARANTINE_STATE_"
_STYLES = {"quarantined": "red", "replaying": "yellow", "skipped": "dim"}
_SHOWN_BYTES = 32


class State(StrEnum):
    """States as people type them."""

    QUARANTINED = "quarantined"
    REPLAYING = "replaying"
    SKIPPED = "skipped"


@command(app, "list", "quarantine list", "quarantine list --state quarantined --json | jq -r .id")
async def list_entries(
    session: Session,
    *,
    state: Annotated[
        list[State] | None,
        typer.Option(case_sensitive=False, help="Only entries in this state; can be repeated."),
    ] = None,
    projection: Projection = "",
    generation: Generation = None,
) -> None:
    """List what cannot be shown to queries: by projection, oldest first."""
    states = [pb.QuarantineState.Value(f"{_PREFIX}{each.name}") for each in state or ()]
    rows = Rows(session.output, _entry_table)
    request = pb.ListQuarantineRequest(states=states, projection=projection, generation=generation or 0)
    async for chunk in session.client.stream(session.client.projections.ListQuarantine, request):
        rows.add(chunk.entries)
    if not session.output.as_json and not rows.count:
        session.output.note("nothing")


@command(app, "show", "quarantine show order/ORDER_ID", "quarantine show ENTRY --json | jq -r .event_json | jq")
async def show(session: Session, *, entry: EntryId, projection: Projection = "", generation: Generation = None) -> None:
    """Show an entry and the message in which its failure was noticed; of several projections, the first's."""
    request = pb.GetQuarantinedRequest(id=entry, projection=projection, generation=generation or 0)
    response = await session.client.call(session.client.projections.GetQuarantined, request)
    rows = [*_rows(response.entry), *_message_rows(response.message), ("event", response.event_json)]
    session.output.message(response, tables.facts(rows))


@command(
    app,
    "replay",
    "quarantine replay order/ORDER_ID",
    "quarantine replay customer/CUSTOMER_ID --projection customers",
)
async def replay(session: Session, *, entry: EntryId, projection: Projection = "") -> None:
    """Try an entry again, after its cause was removed."""
    request = pb.ReplayQuarantinedRequest(id=entry, projection=projection)
    response = await session.client.call(session.client.projections.ReplayQuarantined, request)
    gone = not response.HasField("entry")
    _show_outcome(session, response, response.entry, "replayed; the entry is gone" if gone else "")


@command(
    app,
    "skip",
    "quarantine skip order/ORDER_ID --version 3 --actor Ada --reason 'entered twice, see ticket 17'",
    "quarantine skip TOPIC/PARTITION/OFFSET --actor Ada --reason 'a test message'",
)
async def skip(
    session: Session,
    *,
    entry: EntryId,
    version: Annotated[
        int, typer.Option(min=0, help="The entry's version as you saw it; 0 for a message without an aggregate.")
    ] = 0,
    actor: Annotated[str, typer.Option(help="Who decides it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    projection: Projection = "",
) -> None:
    """Have an entry's version passed over, for good; prefer to remove the cause and to replay."""
    request = pb.SkipQuarantinedRequest(id=entry, version=version, actor=actor, reason=reason, projection=projection)
    response = await session.client.call(session.client.projections.SkipQuarantined, request)
    _show_outcome(session, response, response.entry, "")


def _show_outcome(session: Session, response: Message, entry: pb.QuarantineEntry, gone: str) -> None:
    session.output.message(response, Text(gone) if gone else tables.facts(_rows(entry)))


def _entry_table(entries: Sequence[pb.QuarantineEntry], *, header: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_header=header, pad_edge=False)
    table.add_column("entry", overflow="fold")
    table.add_column("projection")
    table.add_column("version", justify="right")
    table.add_column("state")
    table.add_column("since")
    table.add_column("cause", overflow="fold")
    for each in entries:
        texts = (each.id, each.projection, str(each.version or ""), tables.time_text(each.quarantine_time), each.cause)
        id_, projection, version, since, cause = map(tables.as_text, texts)
        table.add_row(id_, projection, version, _state(each), since, cause)
    return table


def _rows(entry: pb.QuarantineEntry) -> list[tables.Row]:
    rows: list[tables.Row] = [
        ("entry", entry.id),
        ("state", _state(entry)),
        ("version", str(entry.version or "")),
        ("projection", entry.projection),
        ("generation", str(entry.generation or "")),
        ("cause", entry.cause),
        ("since", tables.time_text(entry.quarantine_time)),
        ("event type", entry.event_type),
        ("message", f"{entry.topic}/{entry.partition}/{entry.offset}" if entry.topic else ""),
    ]
    for each in entry.skips:
        what = f"version {each.version}" if each.version else "the message"
        rows.append(("skipped", f"{what} by {each.actor} at {tables.time_text(each.skip_time)}: {each.reason}"))
    return rows


def _message_rows(message: pb.QuarantinedMessage) -> list[tables.Row]:
    rows: list[tables.Row] = [
        ("key", _bytes(message.key) if message.HasField("key") else "null"),
        ("value", _bytes(message.value) if message.HasField("value") else "null"),
    ]
    headers = ((each.name, each.value if each.HasField("value") else None) for each in message.headers)
    rows.extend((name, "null" if value is None else value.decode("utf-8", "replace")) for name, value in headers)
    return rows


def _bytes(value: bytes) -> str:
    """Bytes in a line: their number, and the first of them."""
    if value.isascii() and value.decode().isprintable() and value:
        return value.decode()
    shown = value[:_SHOWN_BYTES].hex(" ")
    return f"{len(value)} bytes: {shown}{' ...' if len(value) > _SHOWN_BYTES else ''}" if value else "empty"


def _state(entry: pb.QuarantineEntry) -> Text:
    name = value_name(pb.QuarantineState, entry.state, _PREFIX).lower()
    return Text(name, style=_STYLES.get(name, ""))
