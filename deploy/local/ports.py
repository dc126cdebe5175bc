"""The ports of each profile, and who holds one that is taken."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import PortTaken, StackError

HOST = "127.0.0.1"
PROFILES = ("run", "test")
_LAST_PORT = 65535


@dataclass(frozen=True)
class Port:
    """A port that we listen on: its number in each profile unless a setting names another."""

    name: str
    run: int
    test: int

    def setting(self, profile: str) -> str:
        """The environment variable that changes it."""
        return f"ORDERFLOW_{profile.upper()}_{self.name.upper()}_PORT"

    def number(self, profile: str) -> int:
        """Its number by setting or default.

        Raises:
            StackError: the setting is no port.
        """
        setting = self.setting(profile)
        text = os.environ.get(setting) or str(self.run if profile == "run" else self.test)
        if not text.isdecimal() or not 0 < int(text) <= _LAST_PORT:
            raise StackError(f"{setting} must be a port number, not {text!r}")
        return int(text)


PORTS = {
    port.name: port
    for port in (
        Port("postgresql", 15432, 25432),
        Port("redis", 16379, 26379),
        Port("kafka", 19092, 29092),
        Port("kafka_controller", 19093, 29093),
        Port("elasticsearch", 19200, 29200),
        Port("elasticsearch_transport", 19300, 29300),
        Port("command_service", 50051, 25051),
        Port("query_service", 50052, 25052),
        Port("projector", 50053, 25053),
        Port("jaeger", 16686, 26686),
        Port("jaeger_otlp", 14317, 24317),
        Port("jaeger_query", 16685, 26685),
    )
}


def require_free(port: Port, number: int, profile: str) -> None:
    """Refuses a port that somebody listens on.

    Raises:
        PortTaken: names the port, the setting that changes it, and the holder.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no holder
        try:
            probe.bind((HOST, number))
        except OSError as error:
            raise PortTaken(
                f"port {number} ({port.name}) is taken by {holder(number)}; "
                f"free it, or choose another with {port.setting(profile)}"
            ) from error


def holder(number: int) -> str:
    """The process that holds a local port, as far as we may see it."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(number)}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if any(str(link.readlink()) in inodes for link in (entry / "fd").iterdir()):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f"pid {entry.name} ({' '.join(command.split())[:80]})"
        except OSError:  # gone by now, or another user's
            continue
    return "a process of another user"


def _inodes(number: int) -> list[str]:
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        path = Path(table)
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            local, inode = fields[1], fields[9]
            if int(local.rpartition(":")[2], 16) == number:
                found.append(inode)
    return found
