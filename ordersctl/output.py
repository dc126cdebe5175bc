"""Writes answers for people (tables) or for programs (a JSON object per line), and errors to standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ordersctl.errors import Failure

AnyMessage = TypeVar("AnyMessage", bound=Message)
AnyRow_contra = TypeVar("AnyRow_contra", bound=Message, contravariant=True)


class PipeConsole(Console):
    """A console that lets its caller handle a reader that went away."""

    def on_broken_pipe(self) -> NoReturn:
        """Called by rich while it handles the BrokenPipeError."""
        raise  # noqa: PLE0704


class Output:
    """Where a command writes.

    Args:
        as_json: JSON instead of tables.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = PipeConsole(highlight=False)
        self.err = PipeConsole(stderr=True, highlight=False)

    def message(self, message: Message, shown: RenderableType, extra: Mapping[str, str] | None = None) -> None:
        """Writes an answer: its protobuf-JSON with the proto's field names, or how it is shown to people.

        Args:
            extra: keys to put before those of the message.
        """
        if self.as_json:
            fields = MessageToDict(message, preserving_proto_field_name=True)
            _write_lines([{**(extra or {}), **fields}])
        else:
            self.out.print(shown, soft_wrap=True)  # a long token stays in one line, to be copied

    def facts(self, text: str, facts: Mapping[str, Any]) -> None:
        """Writes an answer that is no message: a JSON object, or a line of text."""
        if self.as_json:
            _write_lines([facts])
        else:
            self.out.print(Text(text), soft_wrap=True)

    def note(self, text: str, **facts: Any) -> None:
        """Says something about an answer on standard error."""
        if self.as_json:
            self._plain_line(json.dumps(facts, ensure_ascii=False))
        else:
            self.err.print(Text(text, style="dim"), soft_wrap=True)

    def failure(self, failure: Failure) -> None:
        """Writes one line on standard error: red for people, a JSON object for programs."""
        if self.as_json:
            self._plain_line(json.dumps(failure.as_json(), ensure_ascii=False))
        else:
            self.err.print(Text(printable(failure.line), style="red"), soft_wrap=True)

    def _plain_line(self, text: str) -> None:
        self.err.print(Text(text), soft_wrap=True)


class Rows(Generic[AnyMessage]):
    """A list that arrives in chunks.

    Args:
        table: shows some of the messages; with the header the first time.
    """

    def __init__(self, output: Output, table: "RowsTable[AnyMessage]") -> None:
        self._output = output
        self._table = table
        self._header = True
        self.count = 0

    def add(self, messages: Sequence[AnyMessage]) -> None:
        """Writes more of the list at once."""
        self.count += len(messages)
        if self._output.as_json:
            _write_lines([MessageToDict(message, preserving_proto_field_name=True) for message in messages])
        elif messages:
            self._output.out.print(self._table(messages, header=self._header))
            self._header = False


class RowsTable(Protocol[AnyRow_contra]):
    """How rows are shown to people."""

    def __call__(self, messages: Sequence[AnyRow_contra], /, *, header: bool) -> Table:
        """The rows, with or without the header."""


def printable(text: str) -> str:
    """Text of others without what could steer a terminal: control characters become U+FFFD."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _write_lines(values: Sequence[Mapping[str, Any]]) -> None:
    sys.stdout.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    sys.stdout.flush()
