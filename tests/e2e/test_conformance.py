"""The conformance scenarios and the example, in Python: what `make polyglot` does in every language."""

import json

import pytest

from conformance.languages import LANGUAGES
from conformance.play import SCENARIOS, play


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("system")
async def test_every_scenario_and_the_example_go_well_in_python() -> None:
    [result] = await play([language for language in LANGUAGES if language.name == "python"])
    assert result.failed == {}
    assert list(result.passed) == [each["name"] for each in json.loads(SCENARIOS.read_text())["scenarios"]]
    assert result.example
