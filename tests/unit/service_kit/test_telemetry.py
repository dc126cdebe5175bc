"""What a process sends, by OpenTelemetry's settings: real processes, a real OTLP receiver."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from service_kit.settings import prometheus_port
from tests.support.otlp_receiver import OtlpReceiver

PROGRAM = """
import asyncio, logging, sys, structlog
from opentelemetry import metrics, trace
from service_kit import process
from service_kit.settings import ProcessSettings

async def serve(stop):
    metrics.get_meter("test").create_counter("test.things", unit="{thing}").add(3, {"test.kind": "a"})
    with trace.get_tracer("test").start_as_current_span("work"):
        structlog.get_logger("test.structured").warning("happened", count=2, where=("a", 1))
        logging.getLogger("test.plain").error("failed %s", "twice")
        structlog.get_logger("test.structured").info("not told")
        try:
            secret = "hunter2"
            1 / 0
        except ZeroDivisionError:
            structlog.get_logger("test.structured").exception("broken")
    print("ready", flush=True)
    await stop.wait()

process.run("example", ProcessSettings(log_level="WARNING"), serve, watch_stdin=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """The program, until it is ended; its output goes to a file."""

    def __init__(self, output: Path, settings: Mapping[str, str]) -> None:
        self._output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}, **settings},
            )

    def text(self) -> str:
        """What it has said."""
        return self._output.read_text()

    def until_ready(self) -> None:
        """Returns when it serves."""
        deadline = time.monotonic() + 30
        while "ready" not in self.text():
            assert self._process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.02)

    def end(self) -> tuple[float, list[dict[str, Any]]]:
        """Ends it in good order; how long that took, and its log records."""
        begin = time.monotonic()
        self._process.communicate(timeout=40)
        assert self._process.returncode == 0, self.text()
        lines = self.text().splitlines()
        return time.monotonic() - begin, [json.loads(line) for line in lines if line.startswith("{")]

    def kill(self) -> None:
        """Ends it however."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[Running] = []

    def start(**settings: str) -> Running:
        started.append(Running(tmp_path / str(len(started)), settings))
        started[-1].until_ready()
        return started[-1]

    yield start
    for each in started:
        each.kill()


def test_without_an_endpoint_nothing_is_sent_and_records_still_name_a_trace(start: Any) -> None:
    _, records = start().end()
    told = next(each for each in records if each["event"] == "happened")
    assert re.fullmatch("[0-9a-f]{32}", told["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", told["span_id"])
    assert [each["event"] for each in records] == ["happened", "failed twice", "broken"]
    assert "hunter2" not in json.dumps(records)


def test_spans_metrics_and_where_wanted_log_records_are_sent(start: Any, otlp: OtlpReceiver) -> None:
    running = start(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, OTEL_LOGS_EXPORTER="otlp")
    _, records = running.end()
    (span,) = otlp.all()
    assert (span.service, span.name) == ("example", "work")
    (counter,) = [each for each in otlp.metrics() if each.name == "test.things"]
    assert (counter.service, counter.unit, counter.point.as_int) == ("example", "{thing}", 3)
    assert {each.text: each.severity for each in otlp.logs()} == {
        "happened": "WARNING",
        "failed twice": "ERROR",
        "broken": "ERROR",
    }
    sent = {each.text: each for each in otlp.logs()}
    assert {each.trace_id for each in otlp.logs()} == {span.span.trace_id.hex()}
    assert {each.span_id for each in otlp.logs()} == {span.span_id}
    assert sent["happened"].attributes == {"count": 2, "where": '["a", 1]'}
    assert "ZeroDivisionError" in str(sent["broken"].attributes["exception"])
    assert "hunter2" not in str(otlp.requests())
    assert [each["event"] for each in records] == ["happened", "failed twice", "broken"], "they stay on standard output"


def test_log_records_are_not_sent_unless_that_is_asked_for(start: Any, otlp: OtlpReceiver) -> None:
    start(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint).end()
    assert otlp.all()
    assert not otlp.logs()


@pytest.mark.parametrize(("argument", "recorded"), [("1", True), ("0", False)])
def test_a_ratio_decides_which_traces_are_recorded(
    start: Any, otlp: OtlpReceiver, argument: str, *, recorded: bool
) -> None:
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument}
    start(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, **sampler).end()
    assert bool(otlp.all()) is recorded


def test_metrics_are_shown_to_prometheus_where_that_is_asked_for(start: Any, otlp: OtlpReceiver) -> None:
    port = free_port()
    running = start(
        OTEL_METRICS_EXPORTER="prometheus,otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint,
        OTEL_EXPORTER_PROMETHEUS_HOST="127.0.0.1",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(port),
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        page = answer.read().decode()
    assert 'test_things_total{test_kind="a"} 3.0' in page.splitlines()
    assert re.search(r"^process_memory_usage_bytes [0-9.e+]+$", page, re.MULTILINE)
    assert 'service_name="example"' in page
    running.end()
    assert [each for each in otlp.metrics() if each.name == "test.things"]


def test_a_page_whose_port_is_taken_is_said_and_ends_nothing(start: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = start(
            OTEL_METRICS_EXPORTER="prometheus",
            OTEL_EXPORTER_PROMETHEUS_HOST="127.0.0.1",
            OTEL_EXPORTER_PROMETHEUS_PORT=str(taken.getsockname()[1]),
        )
        _, records = running.end()
    assert "no metrics for Prometheus: cannot listen" in [each["event"] for each in records]


@pytest.mark.parametrize("wrong", ["x", "70000", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", wrong)
    with pytest.raises(ValueError, match="OTEL_EXPORTER_PROMETHEUS_PORT"):
        prometheus_port()
