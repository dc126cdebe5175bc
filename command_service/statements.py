"""SQL statements, each in a file of its own in the `sql` folder of the room that uses it."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def statement(room: str, name: str) -> LiteralString:
    """The statement `sql/{name}.sql` of a room of this package, e.g. `relay`."""
    return files("command_service").joinpath(room, "sql", f"{name}.sql").read_text()
