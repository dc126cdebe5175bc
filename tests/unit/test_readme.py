"""The README tells the truth."""

from pathlib import Path

from tests.support.settings_table import settings_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_lists_every_setting_as_it_is() -> None:
    assert settings_table() in README.read_text(), f"put this into README.md:\n\n{settings_table()}"
