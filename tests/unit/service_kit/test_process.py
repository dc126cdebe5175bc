"""How a service process ends: its exit status, and what it says on the way out. Real processes."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BEGINNING = """
import asyncio, sys
from service_kit import process
from service_kit.settings import ProcessSettings

async def serve(stop):
"""
ENDING = """
process.run("example", ProcessSettings(), serve, watch_stdin="--watch" in sys.argv)
"""
WAITS = 'print("ready", flush=True); await stop.wait()'
SECRET = "hunter2"


@contextmanager
def running(body: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that serves by these lines; killed at the end if it is still there."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    with subprocess.Popen(
        [sys.executable, "-c", f"{BEGINNING}{lines}\n{ENDING}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def records(output: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_a_process_that_returns_then_ends_well(number: signal.Signals) -> None:
    with running(f'{WAITS}; print("drained", flush=True)') as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.startswith("drained\n")
    assert not errors


def test_a_supervised_process_ends_well_when_its_standard_input_closes() -> None:
    with running(WAITS, "--watch") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert not errors


def test_another_process_lets_its_standard_input_be() -> None:
    with running(f'{WAITS}; print("drained", flush=True)') as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        process.stdin = None
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert output.startswith("drained\n")


def test_what_was_there_at_the_start_is_out_of_the_garbage_collectors_sight() -> None:
    with running("import gc\nprint(len(gc.get_objects(2)), gc.get_freeze_count())") as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    seen, frozen = map(int, output.splitlines()[0].split())
    assert seen < 1_000
    assert frozen > 10_000


def test_an_error_ends_the_process_with_status_1_and_is_logged_without_variables() -> None:
    body = f"password = '{SECRET[:3]}' + '{SECRET[3:]}'\nraise OSError('the port is taken')"
    with running(body) as process:
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert not errors
    [record] = records(output)
    assert (record["level"], record["error"]) == ("critical", "the port is taken")
    assert SECRET not in output


def test_every_error_of_a_group_is_told_by_itself() -> None:
    body = "raise ExceptionGroup('tasks', [OSError('first'), ExceptionGroup('more', [ValueError('second')])])"
    with running(body) as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert [each["error"] for each in records(output)] == ["first", "second"]
