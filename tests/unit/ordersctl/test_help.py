import pytest

from tests.unit.ordersctl.conftest import Run

_ORDER = (
    *("create", "add-item", "remove-item", "pay", "refund", "confirm", "ship", "deliver", "cancel"),
    *("get", "list", "search", "history", "at", "diff", "watch"),
)
COMMANDS = [
    ("demo",),
    *(("order", name) for name in _ORDER),
    *(("customer", name) for name in ("register", "update", "get")),
    *(("stock", name) for name in ("set", "adjust", "reserve", "release", "commit")),
    ("fulfillment", "get"),
    ("projection", "list"),
    *(("quarantine", name) for name in ("list", "show", "replay", "skip")),
    ("relay", "status"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"ordersctl {' '.join(command)}" in result.stdout.partition("Examples")[2]
    assert "--json" in result.stdout


def test_the_help_names_the_exit_statuses(run: Run) -> None:
    shown = run("--help").stdout.partition("Exit status")[2]
    for status in ("0", "1", "2", "3", "4", "130"):
        assert f"\n {status} " in shown


@pytest.mark.parametrize("group", ["order", "customer", "stock", "projection", "quarantine", "relay", "fulfillment"])
def test_a_group_without_a_command_shows_its_commands(run: Run, group: str) -> None:
    assert "Commands" in run(group).output


def test_a_wrong_option_is_wrong_usage(run: Run) -> None:
    assert run("order", "list", "--colour").exit_code == 2
