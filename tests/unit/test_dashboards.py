"""Dashboards and alerts name metrics, labels and pages of the runbook that exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.grafana.boards import BOARDS, FOLDER, text
from deploy.local.tools import cached_tool
from tests.support.metrics_table import ROOT, TableRow, documented

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
WANTED = {"FlowStalled", "LagGrowing", "QuarantineNotEmpty", "ErrorBudgetBurning", "FreshnessObjectiveMissed"}
_UNITS = {"s": "_seconds", "By": "_bytes"}
_OF_EVERY_SERIES = {"job", "instance"}
_NAME = re.compile(r"\b(?:orderflow|rpc|db|messaging|process)_[a-z_]+")


def series() -> dict[str, frozenset[str]]:
    """The labels of each series in Prometheus, by its name."""
    return {name: labels for row in documented().values() for name, labels in _series(row)}


def _series(row: TableRow) -> Iterator[tuple[str, frozenset[str]]]:
    name = row.name.replace(".", "_") + _UNITS.get(row.unit, "")
    labels = frozenset({each.replace(".", "_") for each in row.attributes} | _OF_EVERY_SERIES)
    match row.kind:
        case "counter":
            yield f"{name}_total", labels
        case "histogram":
            yield f"{name}_bucket", labels | {"le"}
            yield f"{name}_count", labels
            yield f"{name}_sum", labels
        case _:
            yield name, labels


def _check(expression: str) -> None:
    """Every name is a series or a label, and each label is one of a series that the expression names."""
    known = series()
    words = set(_NAME.findall(re.sub(r'"[^"]*"', '""', expression)))
    found = words & known.keys()
    assert found, expression
    labels = {label for name in found for label in known[name]}
    assert words - found <= labels, f"{words - found - labels} in {expression}"
    named = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert named <= labels, f"{named - labels} in {expression}"


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_as_its_description_says_and_shows_what_is_measured(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == text(name), "run `python -m deploy.grafana.boards`"
    for panel in json.loads(text(name))["panels"]:
        for target in panel["targets"]:
            _check(target["expr"])
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            labels = {
                each for found in set(_NAME.findall(target["expr"])) & series().keys() for each in series()[found]
            }
            assert legend <= labels, f"{name}: {panel['title']}: {legend - labels}"


def test_there_is_no_dashboard_without_a_description() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(BOARDS)


def _alerts() -> dict[str, str]:
    parts = re.split(r"^ +- alert: (\w+)$", ALERTS.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_alert_asks_for_what_is_measured_and_names_a_page_of_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", runbook, re.MULTILINE)
    }
    assert _alerts().keys() >= WANTED
    for name, body in _alerts().items():
        _check(body.partition("expr:")[2].partition("labels:")[0])
        pages = re.findall(r"runbook: docs/runbook\.md#(\S+)", body)
        assert len(pages) == 1, name
        assert set(pages) <= anchors, f"{name}: {pages}"


@pytest.mark.skipif(cached_tool("promtool") is None, reason="no promtool here; deploy.local.tools builds it")
def test_prometheus_itself_takes_the_alerts() -> None:
    checked = subprocess.run(
        [Path(str(cached_tool("promtool"))), "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
