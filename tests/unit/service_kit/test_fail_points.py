"""Fail points: off unless one is armed, and then a death that no handler sees. Real processes."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from service_kit import process
from service_kit.fail_points import reach
from service_kit.settings import ProcessSettings, load

async def serve(stop):
    try:
        for number in range(1, 4):
            print(number, flush=True)
            reach("other.place")
            reach("some.place")
    finally:
        print("cleaned up", flush=True)

process.run("example", load(ProcessSettings), serve)
"""


def run(fail_point: str | None) -> tuple[int, list[str]]:
    """The exit status and what was printed, without log records."""
    environment = {} if fail_point is None else {"FAIL_POINT": fail_point}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ended.returncode, [line for line in ended.stdout.splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("fail_point", [None, "", "elsewhere", "some", "some.place:4"])
def test_a_point_that_is_not_armed_or_not_reached_often_enough_does_nothing(fail_point: str | None) -> None:
    assert run(fail_point) == (0, ["1", "2", "3", "cleaned up"])


@pytest.mark.parametrize(("fail_point", "printed"), [("some.place", 1), ("some.place:1", 1), ("some.place:3", 3)])
def test_an_armed_point_kills_the_process_at_the_wanted_time_and_nothing_is_cleaned_up(
    fail_point: str, printed: int
) -> None:
    assert run(fail_point) == (-signal.SIGKILL, [str(number) for number in range(1, printed + 1)])


def test_a_wrong_form_ends_the_start_with_a_line_that_names_the_setting() -> None:
    status, printed = run("some.place:0")
    assert (status, printed) == (2, [])
