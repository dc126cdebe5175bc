"""The project's own processes, from `.venv`."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import HOST
from deploy.local.process import Launch, Process
from deploy.local.profile import WORK_TREE, Profile
from deploy.local.progress import Progress

_PYTHON = WORK_TREE / ".venv" / "bin" / "python"


@dataclass(frozen=True)
class Service:
    """A Python module that serves gRPC with the standard health service."""

    name: str
    """The module's, and the main port's."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of this start on top of the profile's."""
    start_seconds: float = 60.0
    stop_seconds: float = 30.0
    """Longer than the services' own drain time."""
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def ports(self) -> Sequence[str]:
        """Its one gRPC port."""
        return (self.name,)

    def install(self, progress: Progress) -> None:
        """Nothing: bootstrap.sh made `.venv`."""

    def prepare(self, profile: Profile) -> Launch:
        """The caller's environment, as it may hold settings for it, and the profile's over it."""
        environment = {
            **os.environ,
            **profile.environment(),
            "GRPC_LISTEN_ADDRESS": profile.address(self.name),
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }
        return Launch([_PYTHON, "-m", self.name], environment, WORK_TREE)

    def main_process(self, profile: Profile, launched: Process) -> Process:  # noqa: ARG002 -- servers use it
        """The launched process."""
        return launched

    def healthy(self, profile: Profile) -> bool:
        """Its health service says SERVING; asked only when the port is open, as asking takes a Python."""
        try:
            socket.create_connection((HOST, profile.port(self.name)), timeout=1).close()
        except OSError:
            return False
        command: list[str | Path] = [_PYTHON, "-m", "service_kit.health_probe", profile.address(self.name)]
        return subprocess.run(command, cwd=WORK_TREE, capture_output=True, check=False).returncode == 0

    def finish(self, profile: Profile) -> None:
        """Nothing."""


SERVICES = (Service("command_service"), Service("projector"), Service("query_service"))
