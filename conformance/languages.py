"""The languages that have a client under examples/, and how each is generated, built and run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.cache import cache_folder

ROOT = Path(__file__).parents[1]
_CACHE = cache_folder() / "examples"
_MAVEN = ("mvn", "-B", "-ntp", "-q", "-Dstyle.color=never", f"-Dmaven.repo.local={_CACHE / 'maven'}")


@dataclass(frozen=True)
class Language:
    """One folder under examples/.

    Args:
        needs: programs without which it is skipped.
        prepare: commands that generate and build.
        example: the command of its README.
        runner: the command that plays scenarios; `{scenarios}` in it stands for their path.
        variables: of the environment of all of these.
    """

    name: str
    needs: Sequence[str]
    example: Sequence[str]
    runner: Sequence[str]
    prepare: Sequence[Sequence[str]] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where its commands run."""
        return ROOT / "examples" / self.name

    def missing(self) -> list[str]:
        """The programs it lacks here."""
        return [program for program in self.needs if shutil.which(program) is None]

    def run(self, command: Sequence[str], variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Runs one of its commands to its end."""
        # Its own Python's programs first: buf is one of them.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path, **self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


LANGUAGES = (
    Language("python", (), (sys.executable, "example.py"), (sys.executable, "conformance.py", "{scenarios}")),
    Language(
        "go",
        ("go",),
        ("bin/example",),
        ("bin/conformance", "{scenarios}"),
        (("buf", "generate"), ("go", "build", "-o", "bin/", "./example", "./conformance")),
        {
            "GOMODCACHE": str(_CACHE / "go-modules"),
            "GOCACHE": str(_CACHE / "go-build"),
            "GOFLAGS": "-modcacherw",
            "CGO_ENABLED": "0",
        },
    ),
    Language(
        "typescript",
        ("node", "npm"),
        ("npx", "tsx", "src/example.ts"),
        ("npx", "tsx", "src/conformance.ts", "{scenarios}"),
        (
            ("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"),
            ("npx", "buf", "generate"),
            ("npx", "tsc", "--noEmit"),
        ),
        {"npm_config_cache": str(_CACHE / "npm"), "npm_config_update_notifier": "false"},
    ),
    Language(
        "java",
        ("java", "mvn"),
        (*_MAVEN, "exec:java", "-Dexec.mainClass=orderflow.example.Example"),
        (*_MAVEN, "exec:java", "-Dexec.mainClass=orderflow.example.Conformance", "-Dexec.args={scenarios}"),
        ((*_MAVEN, "compile"),),
    ),
)
