"""scripts/check-protos refuses what would break a client, a reader of stored events or the build."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = Path("protos/orderflow/orders/v1/order.proto")


class Contracts:
    """A repository of its own with the contracts in one commit on main."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("protos", "third_party", "generated", "docs"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "scripts").mkdir()
        scripts = ("check-protos", "generate-protos", "generate-reference", "reference.py")
        for file in ("buf.yaml", *(f"scripts/{each}" for each in scripts)):
            shutil.copy2(ROOT / file, root / file)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *arguments: str) -> None:
        """Runs git here, whatever the user's own settings are."""
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "core.hooksPath="]
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True)

    def commit(self) -> None:
        """Commits everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change the contracts")

    def replace(self, old: str, new: str) -> None:
        """Edits the contract of orders."""
        text = (self.root / ORDER).read_text()
        assert old in text
        (self.root / ORDER).write_text(text.replace(old, new))

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of this repository with the tools that run the tests."""
        return subprocess.run(
            [self.root / "scripts" / script],
            check=False,
            capture_output=True,
            text=True,
            env={"VENV": sys.prefix, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root)},
        )

    def generate(self) -> None:
        """Writes the generated code and the reference."""
        assert self.run("generate-protos").returncode == 0
        (self.root / "docs" / "reference.md").write_text(self.run("generate-reference").stdout)


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    return Contracts(tmp_path)


def rename_a_field(contracts: Contracts) -> None:
    contracts.replace("string product_name = 2", "string title = 2")
    contracts.generate()


def test_the_contracts_as_they_are_pass(contracts: Contracts) -> None:
    result = contracts.run("check-protos")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_break_in_the_work_tree_fails(contracts: Contracts) -> None:
    rename_a_field(contracts)
    result = contracts.run("check-protos")
    assert result.returncode == 1
    assert 'changed name from "product_name" to "title"' in result.stdout
    assert "the contracts break what was there before" in result.stderr


def test_a_break_in_the_last_commit_on_main_fails(contracts: Contracts) -> None:
    rename_a_field(contracts)
    contracts.commit()
    assert "the contracts break what was there before" in contracts.run("check-protos").stderr


def test_a_break_in_an_earlier_commit_of_a_branch_fails(contracts: Contracts) -> None:
    contracts.git("checkout", "--quiet", "-b", "topic")
    rename_a_field(contracts)
    contracts.commit()
    contracts.git("commit", "--quiet", "--allow-empty", "--message=Do something else")
    assert "the contracts break what was there before" in contracts.run("check-protos").stderr


def test_a_break_with_the_last_release_fails_however_old_it_is(contracts: Contracts) -> None:
    contracts.git("tag", "v1.0.0")
    rename_a_field(contracts)
    contracts.commit()
    contracts.git("commit", "--quiet", "--allow-empty", "--message=Do something else")
    assert "the contracts break what was there before" in contracts.run("check-protos").stderr


def test_a_new_field_passes(contracts: Contracts) -> None:
    contracts.replace("  // How many: 1", "  // Unit of measure.\n  string unit = 5;\n\n  // How many: 1")
    contracts.generate()
    result = contracts.run("check-protos")
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_element_without_a_comment_fails(contracts: Contracts) -> None:
    contracts.replace("  // How many: 1", "  string unit = 5;\n\n  // How many: 1")
    contracts.generate()
    result = contracts.run("check-protos")
    assert result.returncode == 1
    assert "the contracts do not pass the linter" in result.stderr


def test_a_change_that_was_not_generated_fails(contracts: Contracts) -> None:
    contracts.replace("// How many: 1", "// The number of pieces: 1")
    result = contracts.run("check-protos")
    assert result.returncode == 1
    assert "generated/python is not what the contracts say" in result.stderr
    assert "docs/reference.md is not what the contracts say" in result.stderr


def test_generating_again_changes_nothing_and_removes_what_is_stale(contracts: Contracts) -> None:
    (contracts.root / "generated/python/orderflow/orders/v1/gone_pb2.py").write_text("")
    contracts.generate()
    contracts.git("diff", "--exit-code")
    assert not (contracts.root / "generated/python/orderflow/orders/v1/gone_pb2.py").exists()
