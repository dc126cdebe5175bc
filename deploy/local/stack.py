"""The servers and services of a profile: started, found again, checked, broken on purpose and stopped.

Tests break things with it:

    stack = Stack("test")
    stack.kill("kafka")        # as by kill -9
    stack.start("kafka")       # returns when it is healthy again
    stack.freeze("postgresql"); stack.thaw("postgresql")
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deploy.local.cache import locked
from deploy.local.component import Component
from deploy.local.errors import NotStarted, StackError
from deploy.local.ports import PORTS, require_free
from deploy.local.process import Process, marked, spawn
from deploy.local.profile import Profile
from deploy.local.progress import Progress
from deploy.local.servers.elasticsearch import Elasticsearch
from deploy.local.servers.jaeger import Jaeger
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgresql import PostgreSQL
from deploy.local.servers.redis import Redis
from deploy.local.services import SERVICES, Service
from deploy.local.tools import tool

SERVERS: Sequence[Component] = (PostgreSQL(), Redis(), Kafka(), Elasticsearch())
JAEGER = Jaeger()
COMPONENTS: Mapping[str, Component] = {part.name: part for part in (*SERVERS, JAEGER, *SERVICES)}
NEEDED: Sequence[str] = tuple(part.name for part in (*SERVERS, *SERVICES))
"""All but those that are only of use."""
_POLL_SECONDS = 0.1
_LOG_LINES = 20


@dataclass(frozen=True)
class Status:
    """What is known of one server or service now."""

    name: str
    pid: int | None
    address: str
    healthy: bool
    log: Path

    @property
    def word(self) -> str:
        """Its state in a word."""
        if self.pid is None:
            return "stopped"
        return "healthy" if self.healthy else "unhealthy"


class Stack:
    """A profile's processes. Every method returns when what it says is done."""

    def __init__(self, profile: str, progress: Progress | None = None) -> None:
        self.profile = Profile(profile)
        self.profile.find()
        self._progress = progress or Progress(quiet=True)
        self._given_up = threading.Event()

    def up(self, names: Iterable[str] = NEEDED) -> None:
        """Installs and starts what does not run yet: servers side by side, then services side by side.

        Raises:
            StackError: what could not be installed or started, and why; the others run.
        """
        parts = [COMPONENTS[name] for name in names]
        with self._locked():
            self._create()
            self._require_free_ports(parts)
            servers = [part for part in parts if not isinstance(part, Service)]
            services = [part for part in parts if isinstance(part, Service)]
            self._side_by_side([self._install_tools, *(partial(self._start, part) for part in servers)])
            self._side_by_side([partial(self._start, part) for part in services])

    def down(self, names: Iterable[str] = tuple(COMPONENTS)) -> None:
        """Stops what was started: services first, which drain, then servers."""
        parts = [COMPONENTS[name] for name in names]
        with self._locked():
            self._side_by_side([partial(self._stop, part) for part in parts if isinstance(part, Service)])
            self._side_by_side([partial(self._stop, part) for part in parts if not isinstance(part, Service)])

    def clean(self) -> None:
        """Stops everything and forgets data, logs and passwords."""
        self.down()
        with self._locked():
            self.profile.remove()

    def start(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts one server or service and waits for its health; `environment` adds to a service's settings."""
        part = COMPONENTS[name]
        if environment and isinstance(part, Service):
            part = replace(part, environment=environment)
        with self._locked():
            self._create()
            self._require_free_ports([part])
            self._start(part)

    def stop(self, name: str) -> None:
        """Stops one server or service in good order."""
        self.down([name])

    def kill(self, name: str) -> None:
        """Ends a process at once, as by kill -9, and waits until it is gone; its children are left alone."""
        process = self._require(name)
        process.signal(signal.SIGKILL)
        process.wait(COMPONENTS[name].stop_seconds)

    def freeze(self, name: str) -> None:
        """Stops a process in its tracks by SIGSTOP: it keeps its connections and answers nothing."""
        self._require(name).signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Lets a frozen process go on."""
        self._require(name).signal(signal.SIGCONT)

    def process(self, name: str) -> Process | None:
        """The running process of a server or service."""
        return Process.load(self._record(name))

    def address(self, name: str) -> str:
        """`host:port` of a server or service."""
        return self.profile.address(name)

    def environment(self) -> dict[str, str]:
        """The settings by which services, tests and people reach this stack, and where it runs, Jaeger."""
        return {**self.profile.environment(), **self._tracing()}

    def log(self, name: str) -> Path:
        """The log file of a server or service."""
        return self.profile.logs / f"{name}.log"

    def status(self) -> list[Status]:
        """The state of every server and service, each checked now."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(self._status, COMPONENTS.values()))

    def _status(self, part: Component) -> Status:
        process = self.process(part.name)
        healthy = process is not None and part.healthy(self.profile)
        pid = process.pid if process else None
        return Status(part.name, pid, self.address(part.name), healthy, self.log(part.name))

    def _locked(self) -> AbstractContextManager[None]:
        """Nobody else starts or stops anything of this profile meanwhile."""
        waiting = partial(self._progress.step, "stack", f"waiting for another make {self.profile.name}")
        return locked(self.profile.lock, waiting)

    def _create(self) -> None:
        self.profile.create()
        if not any(self.process(name) for name in COMPONENTS):
            self.profile.record_ports()

    def _require_free_ports(self, parts: Iterable[Component]) -> None:
        for part in parts:
            if self.process(part.name) is None:
                self._stop_orphans(part)
                for name in part.ports:
                    require_free(PORTS[name], self.profile.port(name), self.profile.name)

    def _start(self, part: Component) -> None:
        start = time.monotonic()
        process = self.process(part.name)
        if process and part.healthy(self.profile):
            self._progress.step(part.name, f"already running on {self.address(part.name)}")
            return
        if process is None:
            part.install(self._progress)
            start = time.monotonic()
            self._progress.step(part.name, "starting")
            if isinstance(part, Service):
                part = replace(part, environment={**self._tracing(), **part.environment})
            launch = part.prepare(self.profile)
            process = spawn(launch, self.log(part.name), self.profile.mark(part.name))
            process.save(self._record(part.name))
        self._await_health(part, process)
        part.finish(self.profile)
        self._progress.step(part.name, f"healthy on {self.address(part.name)} after {time.monotonic() - start:.1f} s")

    def _await_health(self, part: Component, process: Process) -> None:
        deadline = time.monotonic() + part.start_seconds
        while not part.healthy(self.profile):
            main = part.main_process(self.profile, process)
            if not main.alive():
                raise self._not_started(part, "ended while it started")
            if time.monotonic() > deadline:
                raise self._not_started(part, f"is not healthy after {part.start_seconds:.0f} s")
            if self._given_up.wait(_POLL_SECONDS):
                raise StackError(f"{part.name} was not waited for")
        main = part.main_process(self.profile, process)
        if main != process:
            main.save(self._record(part.name))

    def _not_started(self, part: Component, what: str) -> NotStarted:
        self._progress.step(part.name, what)  # at once, while others are still waited for
        log = self.log(part.name)
        last = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return NotStarted("\n".join([f"{part.name} {what}; the end of {log}:", *(f"    {line}" for line in last)]))

    def _stop(self, part: Component) -> None:
        start = time.monotonic()
        process = self.process(part.name)
        if process:
            self._progress.step(part.name, "stopping")
            in_order = process.stop(part.stop_signal, part.stop_seconds)
            how = "stopped" if in_order else f"killed, as it did not stop in {part.stop_seconds:.0f} s"
            self._progress.step(part.name, f"{how} after {time.monotonic() - start:.1f} s")
        self._stop_orphans(part)
        self._record(part.name).unlink(missing_ok=True)

    def _stop_orphans(self, part: Component) -> None:
        """Stops what a process that ended, or whose record was lost, left behind."""
        for orphan in marked(self.profile.mark(part.name)):
            self._progress.step(part.name, f"stopping pid {orphan.pid}, which was left behind")
            orphan.stop(part.stop_signal, part.stop_seconds)

    def _install_tools(self) -> None:
        tool("grpcurl", self._progress)

    def _tracing(self) -> Mapping[str, str]:
        """Where traces go and can be read: to Jaeger, if it runs and the caller has not said otherwise."""
        if self.process(JAEGER.name) is None or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            return {}
        return {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://{self.profile.address('jaeger_otlp')}",
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
            "ORDERFLOW_JAEGER_URL": f"http://{self.address('jaeger')}",
        }

    def _record(self, name: str) -> Path:
        return self.profile.processes / f"{name}.json"

    def _require(self, name: str) -> Process:
        process = self.process(name)
        if process is None:
            raise StackError(f"{name} of the profile {self.profile.name} is not running")
        return process

    def _side_by_side(self, steps: Sequence[Callable[[], None]]) -> None:
        with ThreadPoolExecutor(max_workers=len(steps) or 1) as pool:
            futures = [pool.submit(step) for step in steps]
            try:
                wait(futures)
            except KeyboardInterrupt:
                self._given_up.set()
                raise
        errors = [error for future in futures if (error := future.exception())]
        unexpected = [error for error in errors if not isinstance(error, StackError)]
        if unexpected:
            raise unexpected[0]
        if errors:
            raise StackError("\n".join(map(str, errors)))
