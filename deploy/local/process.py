"""Detached processes that are found again by pid and start time, so that a recycled pid is never touched."""

import json
import os
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals, pidfd_send_signal
from typing import Self

from deploy.local.account import Account, run_as

MARK = "ORDERFLOW_LOCAL_PROCESS"
"""Environment variable of every process that is started here; its children inherit it."""

# Kept so that a child that died is reaped, and not a zombie for as long as a test session lasts.
_children: set[int] = set()


@dataclass(frozen=True)
class Process:
    """One run of one process: its pid means it only together with start time and boot."""

    pid: int
    started: int
    """Clock ticks after boot."""
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this pid now; None where there is none, or it is dead and not yet reaped."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name in parentheses may hold anything; what follows its last ")" is state, …, threads, _, start time.
        fields = stat.rpartition(")")[2].split()
        if fields[0] in "ZX" and int(fields[17]) <= 1:  # until its last thread is gone, it holds its ports
            return None
        return cls(pid, int(fields[19]), _boot())

    def alive(self) -> bool:
        """True while exactly this process runs, frozen or not."""
        _reap()
        return Process.of(self.pid) == self

    def signal(self, number: Signals) -> bool:
        """Sends a signal to exactly this process; False where it is gone."""
        with self._descriptor() as descriptor:
            if descriptor is None:
                return False
            try:
                pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                return False
            return True

    def wait(self, seconds: float) -> bool:
        """Waits until it has ended, or for `seconds`; True when it has ended."""
        with self._descriptor() as descriptor:
            if descriptor is None:
                return True
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            ended = bool(poll.poll(seconds * 1000))
        _reap()
        return ended

    def stop(self, number: Signals, seconds: float) -> bool:
        """Asks it to end by a signal, waits, and kills it after `seconds`; True when it ended as asked."""
        self.signal(number)
        self.signal(SIGCONT)  # a frozen one must wake up to hear it
        if self.wait(seconds):
            return True
        self.signal(SIGKILL)
        self.wait(seconds)
        return False

    def save(self, path: Path) -> None:
        """Writes the record, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.rename(path)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The recorded process, if it still runs."""
        try:
            recorded = cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        return recorded if recorded.alive() else None

    @contextmanager
    def _descriptor(self) -> Iterator[int | None]:
        """A handle that can only mean this process, whatever its pid is used for later."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield descriptor if self.alive() else None
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class Launch:
    """How to start a process."""

    command: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    account: Account | None = field(default=None)
    """Who runs it; None: whoever runs us."""


def spawn(launch: Launch, log: Path, mark: str) -> Process:
    """Starts a process in a session of its own, so that it outlives us and our terminal."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(word) for word in launch.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=launch.folder,
            env={**launch.environment, MARK: mark},
            start_new_session=True,
            umask=0o022,
            **run_as(launch.account),
        )
    _children.add(child.pid)
    child.returncode = 0  # it is meant to outlive us: no warning that it still runs
    # Also of one that died at once: then it is a record of nothing that runs.
    return Process.of(child.pid) or Process(child.pid, 0, _boot())


def marked(mark: str) -> list[Process]:
    """Every process that descends from one started with this mark, its own parent dead or not."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # gone by now, or another user's
            continue
        process = Process.of(int(entry.name)) if wanted in environment else None
        if process:
            found.append(process)
    return found


def inside(folder: Path) -> list[int]:
    """The pids of the processes whose working folder this is."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:  # gone by now, or another user's
            continue
    return found


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _reap() -> None:
    for pid in list(_children):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _children.discard(pid)
