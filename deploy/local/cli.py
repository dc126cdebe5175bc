"""Commands that people, the Makefile and CI give to the local stack."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from deploy.local.errors import StackError
from deploy.local.ports import PORTS, PROFILES
from deploy.local.progress import Progress
from deploy.local.stack import COMPONENTS, JAEGER, NEEDED, SERVERS, Stack
from deploy.local.tools import tool

_ORDERSCTL_SETTINGS = {
    "command_service": "ORDERFLOW_COMMAND_ADDRESS",
    "query_service": "ORDERFLOW_QUERY_ADDRESS",
    "projector": "ORDERFLOW_PROJECTOR_ADDRESS",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when it did what it says."""
    given = _parser().parse_args(arguments)
    progress = Progress(quiet=given.quiet)
    try:
        return _COMMANDS[given.command](Stack(given.profile, progress), given)
    except StackError as error:
        print(f"orderflow: {error}", file=sys.stderr)
    except PermissionError as error:
        print(f"orderflow: {error}; was it made by another user, as root?", file=sys.stderr)
    except KeyboardInterrupt:
        print("orderflow: interrupted; what was started runs on, `make status` shows it", file=sys.stderr)
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(
        f"  {port.setting(profile):<44} {port.run if profile == 'run' else port.test}"
        for profile in PROFILES
        for port in PORTS.values()
    )
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="Runs the real servers and our services on this machine, without Docker.",
        epilog=f"settings (environment variables) and their defaults:\n{settings}\n"
        f"  {'ORDERFLOW_CACHE':<44} folder of downloads and binaries",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        choices=_COMMANDS,
        help="up: install and start; down: stop; status: show; clean: stop and forget data; "
        "env: print the settings to reach it, for a shell; "
        "grpcurl, jaeger: print the program's path, built first where it is missing",
    )
    parser.add_argument("--profile", choices=PROFILES, default="run", help="which stack (default: run)")
    parser.add_argument("--servers-only", action="store_true", help="no services of the project")
    parser.add_argument("--only", choices=COMPONENTS, action="append", metavar="NAME", help="only this part")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _names(given: argparse.Namespace) -> Iterable[str]:
    if given.only:
        return list(given.only)
    if given.servers_only:
        return [part.name for part in SERVERS]
    return [*NEEDED, JAEGER.name] if given.profile == "run" and JAEGER.is_built else NEEDED


def _up(stack: Stack, given: argparse.Namespace) -> int:
    stack.up(_names(given))
    if given.profile == "run" and not JAEGER.is_built:
        print("no traces are shown: `make jaeger` builds Jaeger, once, in some minutes; then make down and make run")
    return 0


def _down(stack: Stack, given: argparse.Namespace) -> int:
    stack.down(COMPONENTS if not given.only and not given.servers_only else _names(given))
    return 0


def _clean(stack: Stack, _given: argparse.Namespace) -> int:
    stack.clean()
    return 0


def _status(stack: Stack, given: argparse.Namespace) -> int:
    """Succeeds when everything that was asked for is healthy."""
    names = set(_names(given))
    shown = [status for status in stack.status() if status.name in names]
    print(f"{'name':<16} {'state':<10} {'pid':>8}  {'address':<16} log")
    for status in shown:
        print(f"{status.name:<16} {status.word:<10} {status.pid or '-':>8}  {status.address:<16} {status.log}")
    _say_moved_addresses(stack)
    return 0 if all(status.healthy for status in shown) else 1


def _say_moved_addresses(stack: Stack) -> None:
    """Prints what ordersctl must be told where it would look for this stack elsewhere."""
    moved = [
        f"export {setting}={stack.address(name)}"
        for name, setting in _ORDERSCTL_SETTINGS.items()
        if stack.profile.name == "run" and stack.profile.port(name) != PORTS[name].run
    ]
    if moved:
        print("\n".join(["", "Ports were moved; for ordersctl:", *moved]))


def _env(stack: Stack, _given: argparse.Namespace) -> int:
    for name, value in stack.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _tool(_stack: Stack, given: argparse.Namespace) -> int:
    print(tool(given.command, Progress(quiet=given.quiet)))
    return 0


_COMMANDS: Mapping[str, Callable[[Stack, argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "clean": _clean,
    "env": _env,
    "grpcurl": _tool,
    "jaeger": _tool,
}
