"""One of the two stacks of a work tree: its ports, its folder of state and logs, its passwords, its settings."""

import base64
import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.ports import HOST, PORTS, PROFILES

WORK_TREE = Path(__file__).resolve().parents[2]
_ROOTS_STATE = Path("/var/lib/orderflow")
DATABASE = "orderflow"
OWNER_ROLE = "orderflow_owner"
APP_ROLE = "orderflow_app"
ADMIN_ROLE = "postgres"
_SECRETS = (ADMIN_ROLE, OWNER_ROLE, APP_ROLE, "token_signing_key", "master_key")
_PAYMENT_SECONDS = "10"
"""So that whoever plays with it sees what becomes of an order that nobody pays."""


@dataclass(frozen=True)
class Profile:
    """`run` is what a person plays with; `test` is what tests use, beside it."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in PROFILES:
            raise StackError(f"no profile {self.name!r}; there are {', '.join(PROFILES)}")

    @property
    def folder(self) -> Path:
        """Where people find its state, logs and data."""
        return WORK_TREE / ".local" / self.name

    @property
    def processes(self) -> Path:
        """A file for each process that was started."""
        return self.folder / "processes"

    @property
    def logs(self) -> Path:
        """A log file for each process."""
        return self.folder / "logs"

    @property
    def lock(self) -> Path:
        """Held while something is started or stopped."""
        return WORK_TREE / ".local" / f"{self.name}.lock"

    def data(self, part: str) -> Path:
        """The folder of a server's own files, without symlinks: servers compare it with their own view."""
        return (self.folder / "data" / part).resolve()

    def mark(self, part: str) -> str:
        """What tells the processes of this part of this profile of this work tree from all others."""
        return f"{WORK_TREE}:{self.name}:{part}"

    def create(self) -> None:
        """Makes the folders; for root outside the work tree, which other users may not be able to enter."""
        self.folder.parent.mkdir(exist_ok=True)
        if os.geteuid() == 0 and not self.folder.exists():
            self._roots_folder.mkdir(parents=True, exist_ok=True)
            (self._roots_folder.parent / "work_tree").write_text(f"{WORK_TREE}\n")
        self.find()
        self.folder.mkdir(exist_ok=True)
        for folder in (self.processes, self.logs, self.folder / "data"):
            folder.mkdir(exist_ok=True)

    def find(self) -> None:
        """Names root's folder in the work tree again, where only its name was lost."""
        if os.geteuid() == 0 and self._roots_folder.exists() and not self.folder.exists():
            self.folder.parent.mkdir(exist_ok=True)
            self.folder.unlink(missing_ok=True)
            self.folder.symlink_to(self._roots_folder)

    def remove(self) -> None:
        """Forgets data, logs, ports and passwords."""
        if self.folder.is_symlink():
            target = self.folder.resolve()
            self.folder.unlink()
            shutil.rmtree(target, ignore_errors=True)
            if target == self._roots_folder and [path.name for path in target.parent.iterdir()] == ["work_tree"]:
                shutil.rmtree(target.parent)
        elif self.folder.exists():
            shutil.rmtree(self.folder)

    @property
    def _roots_folder(self) -> Path:
        digest = hashlib.sha256(str(WORK_TREE).encode()).hexdigest()[:12]
        return _ROOTS_STATE / digest / self.name

    @cached_property
    def _recorded_ports(self) -> dict[str, int]:
        path = self.folder / "ports.json"
        numbers: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return numbers

    def port(self, name: str) -> int:
        """A port's number: the one it was started with, else by setting or default."""
        return self._recorded_ports.get(name) or PORTS[name].number(self.name)

    def address(self, name: str) -> str:
        """`host:port` of a port of `PORTS`."""
        return f"{HOST}:{self.port(name)}"

    def record_ports(self) -> None:
        """Keeps the ports of the settings, so that commands run without them find the same stack."""
        numbers = {port.name: port.number(self.name) for port in PORTS.values()}
        (self.folder / "ports.json").write_text(json.dumps(numbers))
        self.__dict__.pop("_recorded_ports", None)

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Passwords and keys, made once for a profile and kept where only its user reads."""
        path = self.folder / "secrets.json"
        kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        made = {name: kept.get(name) or secrets.token_hex(32) for name in _SECRETS}
        if made == kept:
            return kept
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(made))
        new.rename(path)
        return made

    def database_url(self, role: str, database: str = DATABASE) -> str:
        """The URL by which a role reaches the write database."""
        return f"postgresql://{role}:{self.secrets[role]}@{self.address('postgresql')}/{database}"

    def environment(self) -> dict[str, str]:
        """What services, tests and people need to reach this stack."""
        return {
            "WRITE_DB_URL": self.database_url(APP_ROLE),
            "WRITE_DB_OWNER_URL": self.database_url(OWNER_ROLE),
            "KAFKA_BROKERS": self.address("kafka"),
            "READ_ES_URL": f"http://{self.address('elasticsearch')}",
            "REDIS_URL": f"redis://{self.address('redis')}/0",
            "COMMAND_SERVICE_ADDRESS": self.address("command_service"),
            "QUERY_SERVICE_ADDRESS": self.address("query_service"),
            "PROJECTOR_ADDRESS": self.address("projector"),
            "TOKEN_SIGNING_KEY": self.secrets["token_signing_key"],
            "PAYMENT_TIMEOUT_SECONDS": os.environ.get("PAYMENT_TIMEOUT_SECONDS") or _PAYMENT_SECONDS,
            "PERSONAL_DATA_MASTER_KEY": base64.b64encode(bytes.fromhex(self.secrets["master_key"])).decode(),
        }
