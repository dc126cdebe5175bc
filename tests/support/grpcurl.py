"""grpcurl against the running system, and what it printed."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.progress import Progress
from deploy.local.tools import tool
from tests.support.system import System


@dataclass(frozen=True)
class Call:
    """A call by hand.

    Args:
        service: full name.
        server: the one that serves it, such as `query_service`.
        options: of grpcurl, for this call.
        responses: those that came, also before a refusal.
        refusal: what was printed of it; empty when the call was answered.
    """

    service: str
    method: str
    server: str
    options: Sequence[str]
    request: dict[str, Any]
    responses: list[dict[str, Any]]
    refusal: str


class GrpcUrl:
    """Runs grpcurl against the system; remembers the calls."""

    def __init__(self, system: System) -> None:
        self._program = tool("grpcurl", Progress(quiet=True))
        self._system = system
        self.calls: list[Call] = []

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs it; on an error of the call its status is not 0."""
        return subprocess.run([self._program, "-plaintext", *arguments], capture_output=True, text=True, check=False)

    def call(self, service: str, method: str, request: dict[str, Any], *options: str) -> list[dict[str, Any]]:
        """The responses of a call that is answered."""
        done = self._call(service, method, request, options)
        assert not done.refusal, done.refusal
        return done.responses

    def refused(self, service: str, method: str, request: dict[str, Any], *options: str) -> str:
        """What is printed for a call that is refused, or not over in time."""
        done = self._call(service, method, request, options)
        assert done.refusal, done.responses
        return done.refusal

    def methods(self, name: str) -> set[str]:
        """All methods that a server's reflection lists, our own services only."""
        address = self._system.stack.address(name)
        services = [each for each in self.run(address, "list").stdout.split() if each.startswith("orderflow.")]
        return {method for service in services for method in self.run(address, "list", service).stdout.split()}

    def _call(self, service: str, method: str, request: dict[str, Any], options: Sequence[str]) -> Call:
        server = _served_by(service)
        given = options if "-max-time" in options else ("-max-time", "10", *options)
        address = self._system.stack.address(server)
        done = self.run(*given, "-d", json.dumps(request), address, f"{service}/{method}")
        assert (done.returncode == 0) == (not done.stderr), done.stderr
        call = Call(service, method, server, options, request, _responses(done.stdout), done.stderr)
        self.calls.append(call)
        return call


def _served_by(service: str) -> str:
    if service.endswith("ProjectionAdminService"):
        return "projector"
    return "query_service" if service.endswith("QueryService") else "command_service"


def _responses(text: str) -> list[dict[str, Any]]:
    decoder, found, position = json.JSONDecoder(), [], 0
    text = text.strip()
    while position < len(text):
        message, end = decoder.raw_decode(text, position)
        found.append(message)
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return found
