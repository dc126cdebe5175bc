"""PostgreSQL: the write side's event store, with its durable defaults."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from deploy.local.account import Account, run_as, servers_account
from deploy.local.component import Server
from deploy.local.errors import StackError
from deploy.local.packages import ensure_postgresql, newest_postgresql
from deploy.local.ports import HOST
from deploy.local.process import Launch, inside
from deploy.local.profile import ADMIN_ROLE, APP_ROLE, OWNER_ROLE, Profile
from deploy.local.progress import Progress
from deploy.local.waiting import wait_until

_ROLES = Path(__file__).with_name("postgresql.sql")
_ORPHANS_SECONDS = 10.0


class PostgreSQL(Server):
    """Debian's PostgreSQL with a cluster of ours."""

    name = "postgresql"
    ports = ("postgresql",)
    stop_signal = signal.SIGINT  # "fast shutdown": sessions are closed, nothing is lost

    def install(self, progress: Progress) -> None:
        """Installs the server without the package's own cluster."""
        if newest_postgresql() is None:
            ensure_postgresql(progress)

    def prepare(self, profile: Profile) -> Launch:
        """Makes the cluster where it is missing; no Unix socket, so that no path can be too long for one."""
        folder = profile.data(self.name)
        account = servers_account()
        if not folder.exists():
            _make_cluster(folder, profile.secrets[ADMIN_ROLE], account)
        _forget_dead_postmaster(folder)
        settings = {
            "listen_addresses": HOST,
            "port": str(profile.port("postgresql")),
            "unix_socket_directories": "",
            "max_connections": "200",
            # The indexes of millions of events in memory, few checkpoints; no commit is less durable for it.
            "shared_buffers": "512MB",
            "max_wal_size": "2GB",
            "wal_compression": "lz4",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return Launch([_programs(folder) / "postgres", "-D", folder, *options], _environment(), folder, account)

    def healthy(self, profile: Profile) -> bool:
        """It accepts connections."""
        pg_isready = _programs(profile.data(self.name)) / "pg_isready"
        result = subprocess.run(
            [pg_isready, "-q", "-t", "1", "-h", HOST, "-p", str(profile.port("postgresql"))], check=False
        )
        return result.returncode == 0

    def finish(self, profile: Profile) -> None:
        """Makes the roles and the database."""
        passwords = {
            "PGPASSWORD": profile.secrets[ADMIN_ROLE],
            "OWNER_PASSWORD": profile.secrets[OWNER_ROLE],
            "APP_PASSWORD": profile.secrets[APP_ROLE],
        }
        psql = _programs(profile.data(self.name)) / "psql"
        result = subprocess.run(
            [psql, "-X", "-q", "-h", HOST, "-p", str(profile.port("postgresql")), "-U", ADMIN_ROLE,
             "-d", "postgres", "-f", _ROLES],
            env={**_environment(), **passwords},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if result.returncode != 0:
            raise StackError(f"PostgreSQL's roles could not be made: {result.stderr.strip()}")


def _programs(folder: Path) -> Path:
    """The programs of the version that made the cluster; of the newest where there is no cluster yet."""
    newest = newest_postgresql()
    if newest is None:
        raise StackError("PostgreSQL is not installed")
    version = folder / "PG_VERSION"
    try:
        wanted = newest.parents[1] / version.read_text().strip() / "bin"
    except FileNotFoundError:
        return newest
    if not (wanted / "postgres").exists():
        raise StackError(
            f"the data in {folder} are of a PostgreSQL that is no longer installed; `make clean` forgets them"
        )
    return wanted


def _make_cluster(folder: Path, password: str, account: Account | None) -> None:
    """Made beside its place and renamed, so that an interrupted start leaves nothing that looks done."""
    building = folder.with_name("postgresql.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    password_file = building / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if account:
        account.own(building)
        account.own(password_file)
    result = subprocess.run(
        [_programs(folder) / "initdb", "-D", building / "cluster", "-U", ADMIN_ROLE, "-E", "UTF8",
         "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}"],
        env=_environment(),
        cwd=building,
        capture_output=True,
        text=True,
        check=False,
        **run_as(account),
    )  # fmt: skip
    if result.returncode != 0:
        raise StackError(f"initdb failed: {result.stderr.strip()}")
    (building / "cluster").rename(folder)
    shutil.rmtree(building)


def _forget_dead_postmaster(folder: Path) -> None:
    """Removes the pid file of a server that was killed: its pid may mean another process by now.

    Sessions of a killed server end by themselves; until then their shared memory is in use.
    """
    if not wait_until(lambda: not inside(folder), _ORPHANS_SECONDS):
        raise StackError(f"processes of a killed PostgreSQL still use {folder}: {inside(folder)}")
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
