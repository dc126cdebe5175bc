"""Runs the command line; also `python -m ordersctl`."""

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from ordersctl.exit_codes import FAILED, INTERRUPTED, USAGE


def main() -> None:
    """Runs one command and exits with its status."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own log lines would mix with ours on standard error
    try:
        _prepare_streams()
        arguments = _utf8(sys.argv[1:])
        from ordersctl.app import build  # noqa: PLC0415 -- importing takes a moment, and Ctrl-C works from the start

        build()(arguments, prog_name="ordersctl")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        _give_up_output()
        _end(f"cannot write: {error.strerror or error}", FAILED)


def _prepare_streams() -> None:
    """Has both streams take any text, whatever the locale."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for as long as we live
    if sys.stdout is None:
        _end("standard output is closed", FAILED)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _utf8(arguments: Iterable[str]) -> list[str]:
    """The arguments as UTF-8, whatever the locale took them for."""
    decoded = []
    for argument in arguments:
        given = os.fsencode(argument)
        try:
            decoded.append(given.decode())
        except UnicodeDecodeError:
            _end(f"not UTF-8: {given.decode(errors='replace')!r}", USAGE)
    return decoded


def _give_up_output() -> None:
    """Has what is still buffered go nowhere, or Python would fail once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(why: str, status: int) -> NoReturn:
    sys.stderr.write(f"ordersctl: {why}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
