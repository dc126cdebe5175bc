"""The unprivileged user that runs the servers when we are root: PostgreSQL and Elasticsearch refuse root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from deploy.local.cache import lock_file, locked
from deploy.local.errors import StackError

NAME = "orderflow"


class PopenUser(TypedDict, total=False):
    """What subprocess takes to run a program as somebody else; nothing for ourselves."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A user and its group."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Makes a file or folder this user's."""
        os.chown(path, self.uid, self.gid)


def run_as(account: Account | None) -> PopenUser:
    """The arguments of `subprocess` that run a program as this user, or as ourselves."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def servers_account() -> Account | None:
    """Who runs the servers: the system user `orderflow`, made where we are root; otherwise we ourselves."""
    if os.geteuid() != 0:
        return None
    with locked(lock_file("account")):
        try:
            user = pwd.getpwnam(NAME)
        except KeyError:
            _make_user()
            user = pwd.getpwnam(NAME)
    return Account(user.pw_uid, user.pw_gid)


def _make_user() -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin") or "useradd"
    subprocess.run(
        [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
         "--shell", "/usr/sbin/nologin", NAME],
        check=True,
    )  # fmt: skip


def require_reachable(path: Path) -> None:
    """Refuses a path that the servers' user could not read when we are root.

    Raises:
        StackError: it, or a folder above it, is closed to others.
    """
    if os.geteuid() == 0 and not reachable(path):
        raise StackError(f"{path} is closed to other users, but the servers run as the user {NAME}")


def reachable(path: Path) -> bool:
    """True when any user may enter every folder on the way to `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)
