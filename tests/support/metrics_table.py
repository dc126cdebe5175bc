"""The metrics of docs/telemetry.md, and those that the code makes."""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("command_service", "ordersctl", "projector", "query_service", "service_kit")
_KINDS = {
    "create_counter": "counter",
    "create_observable_counter": "counter",
    "create_histogram": "histogram",
    "create_observable_gauge": "gauge",
    "create_observable_up_down_counter": "up-down counter",
    "create_up_down_counter": "up-down counter",
    "_gauge": "gauge",  # several that differ only in what they show
}
_ROW = re.compile(r"^\| `([a-z0-9_.]+)` \| ([a-z -]+) \| (\S+) \|([^|]*)\|", re.MULTILINE)


@dataclass(frozen=True)
class TableRow:
    """A metric as documented."""

    name: str
    kind: str
    unit: str
    attributes: frozenset[str]


def documented() -> dict[str, TableRow]:
    """The table's rows by name."""
    text = (ROOT / "docs" / "telemetry.md").read_text()
    rows = [
        TableRow(name, kind, unit, frozenset(re.findall(r"`([a-z_.]+)`", attributes)))
        for name, kind, unit, attributes in _ROW.findall(text)
    ]
    assert len({row.name for row in rows}) == len(rows)
    return {row.name: row for row in rows}


def created() -> set[tuple[str, str, str]]:
    """Name, kind and unit of each metric that the code creates."""
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return {
        found for path in files if "_gauge(" in (text := path.read_text()) or "create_" in text for found in _of(path)
    }


def _of(path: Path) -> Iterator[tuple[str, str, str]]:
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        kind = _KINDS.get(call.func.attr)
        if kind is None:
            continue
        if call.func.attr == "_gauge":
            name, unit = _text(path, call.args[1]), _text(path, call.args[2])
            if name and unit:
                yield name if name.startswith("orderflow.") else f"orderflow.projection.{name}", kind, unit
            continue
        name = _text(path, call.args[0])
        unit = next((_text(path, each.value) for each in call.keywords if each.arg == "unit"), None)
        if name and unit:
            yield name, kind, unit


def _text(path: Path, node: ast.expr) -> str | None:
    """A literal's text, or that of a constant of the module; None where it is put together or handed in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        value = getattr(module, node.id, None)
        return str(value) if isinstance(value, str) else None
    return None
