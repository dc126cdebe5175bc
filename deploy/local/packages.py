"""Debian and Ubuntu packages: only what is missing, and without the services they would start."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from deploy.local.cache import lock_file, locked
from deploy.local.errors import StackError
from deploy.local.progress import Progress

_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
_CLUSTER_SETTINGS = Path("/etc/postgresql-common/createcluster.conf")


def ensure_program(name: str, package: str, progress: Progress) -> Path:
    """The path of a program, its package installed first where it is missing."""
    if shutil.which(name) is None:
        with locked(lock_file("apt")):
            if shutil.which(name) is None:
                _install(package, progress)
    found = shutil.which(name)
    if found is None:
        raise StackError(f"the package {package} brought no {name}")
    return Path(found)


def ensure_postgresql(progress: Progress) -> None:
    """Installs the PostgreSQL server, keeping the package from making and starting a cluster of its own."""
    with locked(lock_file("apt")):
        if newest_postgresql() is not None:
            return
        _install("postgresql-common", progress)  # brings the settings file that the server's package obeys
        with _no_main_cluster():
            _install("postgresql", progress)


def newest_postgresql() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def _no_main_cluster() -> Iterator[None]:
    before = _CLUSTER_SETTINGS.read_text()
    _write_as_root(_CLUSTER_SETTINGS, before + "\ncreate_main_cluster = false\n")
    try:
        yield
    finally:
        _write_as_root(_CLUSTER_SETTINGS, before)


def _install(package: str, progress: Progress) -> None:
    progress.step(package, "installing with apt")
    _update_lists()
    result = _as_root([*_APT, "install", "--no-install-recommends", "--yes", package])
    if result.returncode != 0:
        lines = (result.stdout + result.stderr).decode(errors="replace").strip().splitlines()
        raise StackError("\n".join([f"apt could not install {package}:", *lines[-10:]]))
    progress.step(package, "installed")


@cache
def _update_lists() -> None:
    # Lists of one broken source must not stop what the others can give; the installation itself decides.
    _as_root([*_APT, "update"])


def _write_as_root(path: Path, text: str) -> None:
    _as_root(["tee", str(path)], text.encode()).check_returncode()


def _as_root(command: list[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            raise StackError(f"needs root or sudo once, for: {' '.join(command)}")
        command = ["sudo", *command]
    return subprocess.run(command, input=given, capture_output=True, check=False)
