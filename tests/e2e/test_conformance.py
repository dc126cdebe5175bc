"""The conformance scenarios and the example, in Python: what `make polyglot` does in every language."""

import dataclasses
import json
from pathlib import Path

import pytest

from conformance.languages import LANGUAGES
from conformance.play import SCENARIOS, play

YESTERDAY = Path(__file__).parents[1] / "golden" / "contracts"
[PYTHON] = [language for language in LANGUAGES if language.name == "python"]


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("system")
async def test_every_scenario_and_the_example_go_well_in_python() -> None:
    [result] = await play([PYTHON])
    assert result.failed == {}
    assert list(result.passed) == [each["name"] for each in json.loads(SCENARIOS.read_text())["scenarios"]]
    assert result.example


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("contracts", sorted(YESTERDAY.iterdir()), ids=lambda folder: folder.name)
async def test_a_client_that_knows_only_earlier_contracts_still_gets_what_it_was_promised(contracts: Path) -> None:
    """It is made of their descriptor set alone, and plays the scenarios of then."""
    variables = {"CONFORMANCE_DESCRIPTOR_SET": str(contracts / "contracts.binpb")}
    [result] = await play([dataclasses.replace(PYTHON, variables=variables)], contracts / "scenarios.json")
    assert result.failed == {}
    assert result.passed
