"""`ordersctl trace show`: what one command set off, as Jaeger tells it."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.segment import SegmentLines
from rich.text import Text

from ordersctl.command import Session, command
from ordersctl.errors import CallFailed, Failure
from ordersctl.traces import Jaeger, Span, as_facts, drawn

app = typer.Typer(no_args_is_help=True, help="What a call set off, from Jaeger.")
_PAUSE_SECONDS = 0.2
_MOST_WIDTH = 1000
_SAMPLED = "ask again in some seconds; docs/telemetry.md says what is sampled"


def checked_url(given: str) -> str:
    """The URL as given.

    Raises:
        typer.BadParameter: it is no HTTP URL.
    """
    if given and not re.fullmatch(r"https?://[^\s/]+/?", given):
        raise typer.BadParameter(f"{given!r} is not http://HOST:PORT")
    return given


def _checked_trace_id(given: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{32}", given):
        raise typer.BadParameter("a trace id has 32 hexadecimal digits; log records have it as trace_id")
    return given.lower()


JaegerUrl = Annotated[
    str, typer.Option(metavar="URL", callback=checked_url, envvar="ORDERFLOW_JAEGER_URL", help="Jaeger's query API.")
]


@command(app, "show", "trace show 4bf92f3577b34da6a3ce929d0e0e4736", "--json trace show TRACE_ID | jq .name")
async def show(
    session: Session,
    trace_id: Annotated[str, typer.Argument(callback=_checked_trace_id, help="As in a log record's trace_id.")],
    jaeger: JaegerUrl = "http://127.0.0.1:16686",
) -> None:
    """Draw a trace as a tree, or print a JSON object for each span."""
    found = Jaeger(jaeger, session.settings.timeout)
    spans = await found.spans(trace_id)
    if not spans:
        unknown = f"Jaeger does not know the trace {trace_id}; it may not have come yet, or was not sampled"
        raise CallFailed(Failure(code=grpc.StatusCode.NOT_FOUND, message=unknown, advised=_SAMPLED))
    if session.output.as_json:
        for span in spans:
            session.output.facts("", as_facts(span))
    else:
        show_tree(session.output.out, found, trace_id, spans)


def show_tree(out: Console, jaeger: Jaeger, trace_id: str, spans: Sequence[Span]) -> None:
    """Draws the spans of a trace, and says where to see more."""
    options = out.options.update(width=_MOST_WIDTH)  # a terminal wraps what is too long for it
    out.print(
        SegmentLines(out.render_lines(drawn(trace_id, spans), options, pad=False), new_lines=True),
        soft_wrap=True,
        end="",
    )
    out.print(Text(jaeger.link(trace_id)), soft_wrap=True)


async def until_complete(jaeger: Jaeger, trace_id: str, last: str, *, limit: float) -> Sequence[Span]:
    """The spans of a trace once one is there whose name begins with `last`, or those that have come by then."""
    deadline = time.monotonic() + limit
    while True:
        spans = await jaeger.spans(trace_id)
        if any(span.name.startswith(last) for span in spans) or time.monotonic() > deadline:
            return spans
        await asyncio.sleep(_PAUSE_SECONDS)
