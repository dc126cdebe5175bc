"""Named places at which a process kills itself when told to, so that tests see what a death there leaves behind."""

import os
import signal
from dataclasses import dataclass


@dataclass
class _Armed:
    """The armed point; no point has an empty name."""

    name: str = ""
    passes: int = 0


_armed = _Armed()


def arm(fail_point: str) -> None:
    """Arms a point of this process in place of any other.

    Args:
        fail_point: `NAME` to die there the first time, `NAME:N` for the N-th time; empty for nowhere.
    """
    _armed.name, _, times = fail_point.partition(":")
    _armed.passes = int(times or 1) - 1


def reach(name: str) -> None:
    """Kills this process, as `kill -9` does, if the point is armed and was passed often enough."""
    if name == _armed.name:
        _die_or_pass()


def _die_or_pass() -> None:
    if _armed.passes == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _armed.passes -= 1
