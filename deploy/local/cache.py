"""The folder outside the work tree that keeps downloads and binaries between work trees and profiles."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """The cache's place: a setting's, or the usual one of root or of this user (as in uv.sh)."""
    named = os.environ.get("ORDERFLOW_CACHE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/orderflow")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "orderflow"


def lock_file(name: str) -> Path:
    """The lock file of something in the cache, or of something of the machine that we change."""
    return cache_folder() / "locks" / name


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock file `path` against other threads and processes.

    Args:
        waiting: called where somebody else holds it, before waiting for them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """The cache's folder `name`; where it is missing, `build` fills it first.

    It is filled beside its place and renamed, so that an interrupted build leaves nothing that looks done.
    """
    cache = cache_folder()
    final = cache / name
    if final.exists():
        return final
    with locked(lock_file(name)):
        if final.exists():
            return final
        building = Path(tempfile.mkdtemp(dir=cache, prefix=f"building-{name}-"))
        try:
            filled = building / name
            filled.mkdir()
            build(filled)
            filled.rename(final)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return final
