"""What the stack knows of each server and service."""

import signal
from collections.abc import Sequence
from typing import Protocol

from deploy.local.process import Launch, Process
from deploy.local.profile import Profile
from deploy.local.progress import Progress


class Component(Protocol):
    """A server or service: how to install, start, check and stop it."""

    @property
    def name(self) -> str:
        """Names it on the command line, its files, and its main port."""

    @property
    def ports(self) -> Sequence[str]:
        """The names of the ports it listens on, in `PORTS`; people use the first."""

    @property
    def stop_signal(self) -> signal.Signals:
        """Asks it to end in good order."""

    @property
    def start_seconds(self) -> float:
        """How long it may take to be healthy."""

    @property
    def stop_seconds(self) -> float:
        """How long it may take to end before it is killed."""

    def install(self, progress: Progress) -> None:
        """Installs what it needs, where that is missing."""

    def prepare(self, profile: Profile) -> Launch:
        """Writes its configuration, makes its data folder where that is missing, says how to start it."""

    def main_process(self, profile: Profile, launched: Process) -> Process:
        """The process that is it: the launched one, or the one that this one leaves behind."""

    def healthy(self, profile: Profile) -> bool:
        """True when it serves; answers within about a second."""

    def finish(self, profile: Profile) -> None:
        """What is to be done in it once it serves, before others use it; repeatable."""


class Server:
    """What the four servers have in common."""

    stop_signal = signal.SIGTERM
    start_seconds = 180.0  # a first start may share two cores with downloads and a Go build
    stop_seconds = 30.0

    def main_process(self, profile: Profile, launched: Process) -> Process:  # noqa: ARG002 -- others use it
        """The launched process."""
        return launched

    def finish(self, profile: Profile) -> None:
        """Nothing."""
