"""What says how services are reached, checked before anything is sent."""

import re

import typer

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^][:/@\s]+):(?P<port>[0-9]{1,5})")
_MOST_PORT = 65535
_LEAST_SECONDS, _MOST_SECONDS = 0.001, 86400


def checked_address(given: str | None) -> str | None:
    """The address as given.

    Raises:
        typer.BadParameter: it is not HOST:PORT.
    """
    if given is None:
        return None
    match = _ADDRESS.fullmatch(given)
    if match is None or not 0 < int(match["port"]) <= _MOST_PORT:
        raise typer.BadParameter(f"{given!r} is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051")
    return given


def checked_seconds(given: float | None) -> float | None:
    """The number of seconds as given.

    Raises:
        typer.BadParameter: it is not a number within the bounds.
    """
    if given is None or _LEAST_SECONDS <= given <= _MOST_SECONDS:  # which is false for NaN
        return given
    raise typer.BadParameter(f"{given:g} is not in the range {_LEAST_SECONDS:g} to {_MOST_SECONDS}")
