"""A collector that is away, silent or refuses costs telemetry and nothing else: no waiting, no memory, no end."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from os import environ
from typing import Any

import pytest

from tests.support import bad_collectors

SPANS = 20_000
_LEFT_MEGABYTES = 25
"""More than the queues hold (2,048 spans and records, a kilobyte or two each), far less than all spans take."""
PROGRAM = """
import asyncio, time
from pathlib import Path
import structlog
from opentelemetry import metrics, trace
from service_kit import process
from service_kit.settings import ProcessSettings

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

async def serve(stop):
    tracer = trace.get_tracer("test")
    log = structlog.get_logger("test")
    durations = metrics.get_meter("test").create_histogram("test.duration", unit="s")

    def work(count):
        for number in range(count):
            with tracer.start_as_current_span("work", attributes={"text": str(number) * 100}):
                durations.record(0.1, {"kind": "a"})
                if not number % 100:
                    log.warning("happened", text=str(number) * 100)

    work(5_000)
    before = megabytes()
    work(SPANS)
    print(f"grown={megabytes() - before:.1f} at={time.time()}", flush=True)

process.run("example", ProcessSettings(), serve)
""".replace("SPANS", str(SPANS))


def run(endpoint: str) -> tuple[float, float]:
    """Megabytes that the work took, and the seconds that the process took to end after it."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**environ, **settings}, capture_output=True, text=True, check=True
    )
    told = re.search(r"grown=([0-9.-]+) at=([0-9.]+)", ended.stdout)
    assert told, ended.stdout
    assert not ended.stderr
    return float(told[1]), time.time() - float(told[2])


@pytest.mark.parametrize("collector", bad_collectors.ALL, ids=lambda each: each.__name__)
def test_work_goes_on_in_bounded_memory_and_the_process_ends(collector: Callable[[], Any]) -> None:
    with collector() as endpoint:
        grown, ending = run(endpoint)
    assert grown < _LEFT_MEGABYTES
    assert ending < 15, "what is left is given up after five seconds"
