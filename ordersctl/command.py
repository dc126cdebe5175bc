"""Commands as coroutines: options in groups, one session per invocation, errors as exit statuses."""

import asyncio
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from ordersctl.client import Addresses, Client
from ordersctl.connection import checked_address, checked_seconds
from ordersctl.errors import CallFailed
from ordersctl.exit_codes import PIPE_CLOSED
from ordersctl.output import Output

Coroutine = Callable[..., Awaitable[None]]
JSON_HELP = "A JSON object per line, or tables; unless given, tables on a terminal."
_PANEL = "Connection and output, also before the command"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the options before the command say.

    Args:
        timeout: seconds that an answer may take.
        as_json: JSON or tables; None leaves it to where the output goes.
    """

    addresses: Addresses
    timeout: float
    as_json: bool | None


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """The options that can stand before the command, given after it."""

    command_address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", callback=checked_address, help="Command service.", rich_help_panel=_PANEL),
    ] = None
    query_address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", callback=checked_address, help="Query service.", rich_help_panel=_PANEL),
    ] = None
    projector_address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", callback=checked_address, help="Projector.", rich_help_panel=_PANEL),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(callback=checked_seconds, help="Seconds that an answer may take.", rich_help_panel=_PANEL),
    ] = None
    as_json: Annotated[bool | None, typer.Option("--json/--table", help=JSON_HELP, rich_help_panel=_PANEL)] = None

    def over(self, before: Settings) -> Settings:
        """The settings with these options over those before the command."""
        addresses = Addresses(
            command=self.command_address or before.addresses.command,
            query=self.query_address or before.addresses.query,
            projector=self.projector_address or before.addresses.projector,
        )
        as_json = before.as_json if self.as_json is None else self.as_json
        return Settings(addresses=addresses, timeout=self.timeout or before.timeout, as_json=as_json)


class Session:
    """One invocation: where to write and whom to call."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        as_json = not sys.stdout.isatty() if settings.as_json is None else settings.as_json
        self.output = Output(as_json=as_json)
        self.client = Client(settings.addresses, settings.timeout)


def command(app: typer.Typer, name: str, *examples: str) -> Callable[[Coroutine], Coroutine]:
    """Makes a coroutine a command of `app`.

    Its parameter `session` is given; a parameter that is a dataclass stands for an option for each of its
    fields; all others are Typer's. Its docstring is the help.

    Args:
        examples: command lines to show in the help, without the leading `ordersctl`.
    """

    def register(function: Coroutine) -> Coroutine:
        app.command(name, epilog=examples_text(examples))(_synchronous(function))
        return function

    return register


def examples_text(examples: Sequence[str]) -> str:
    """Examples as the help shows them, each in a line of its own."""
    lines = (f"[green]ordersctl {example.replace('[', chr(92) + '[')}[/green]" for example in examples)
    return "\n".join(["[bold]Examples[/bold]", *lines])


def _synchronous(function: Coroutine) -> Callable[..., None]:
    hints = {**get_type_hints(function, include_extras=True), "overrides": Overrides}
    hints.pop("return")
    hints.pop("session")
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    defaults = {name: each.default for name, each in inspect.signature(function).parameters.items()}

    def run(ctx: typer.Context, **given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        _run(function, Session(given.pop("overrides").over(ctx.obj)), given)

    parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, hint in hints.items():
        parameters += _group_parameters(hint) if name in groups else [_parameter(name, hint, defaults[name])]
    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _group_parameters(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_parameter(each.name, hints[each.name], _default(each)) for each in fields(group)]


def _default(each: Field[Any]) -> Any:
    if each.default_factory is not MISSING:
        return each.default_factory()
    return inspect.Parameter.empty if each.default is MISSING else each.default


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _run(function: Coroutine, session: Session, given: Mapping[str, Any]) -> None:
    try:
        asyncio.run(_in_session(function, session, given))
    except CallFailed as failed:
        session.output.failure(failed.failure)
        raise typer.Exit(failed.failure.exit_code) from failed
    except BrokenPipeError as closed:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(PIPE_CLOSED) from closed


async def _in_session(function: Coroutine, session: Session, given: Mapping[str, Any]) -> None:
    async with session.client:
        await function(session=session, **given)
