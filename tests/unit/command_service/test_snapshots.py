"""Snapshots are readable by the code that made them, and by no other."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

from command_service import snapshots as first_module
from command_service import statements as second_module
from command_service.snapshots import Snapshots


@dataclass(frozen=True)
class Counter:
    """A state."""

    version: int


def snapshots(*code: ModuleType, name: str = "counter") -> Snapshots[Counter]:
    return Snapshots(name, Counter, code)


def test_a_state_survives() -> None:
    assert snapshots().read(snapshots().write(Counter(7))) == Counter(7)


def test_the_same_code_has_the_same_name() -> None:
    assert snapshots(first_module).fold == snapshots(first_module).fold
    assert snapshots(first_module).fold.startswith("counter@")


def test_kinds_of_aggregate_have_different_names() -> None:
    assert snapshots(first_module).fold != snapshots(first_module, name="other").fold


def test_every_module_counts() -> None:
    names = {snapshots().fold, snapshots(first_module).fold, snapshots(first_module, second_module).fold}
    assert len(names) == 3


def test_a_changed_line_makes_another_name(tmp_path: Path) -> None:
    def module(source: str) -> ModuleType:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source)
        made = ModuleType("fold")
        made.__file__ = str(path)
        return made

    assert snapshots(module("a = 1\n")).fold != snapshots(module("a = 2\n")).fold


def test_what_is_no_state_is_an_error() -> None:
    with pytest.raises(ValidationError):
        snapshots().read(b'{"version": "many"}')
