"""The shipped collector configuration, run by Jaeger 2, which is a collector: what it keeps, and what it shows."""

import asyncio
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode

from deploy.local.tools import cached_tool
from tests.integration.command_service.served import free_address
from tests.support.eventually import eventually
from tests.support.jaeger import needs_jaeger
from tests.support.otlp_receiver import OtlpReceiver

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "otel-collector.yaml"
ORDINARY = 300
pytestmark = needs_jaeger


@contextmanager
def collecting(traces_to: str) -> Iterator[tuple[str, str]]:
    """The collector as shipped, on ports of its own; where it takes OTLP, and its page for Prometheus."""
    otlp, page = free_address(), free_address()
    settings = {
        "OTLP_GRPC_ENDPOINT": otlp,
        "OTLP_HTTP_ENDPOINT": free_address(),
        "PROMETHEUS_ENDPOINT": page,
        "JAEGER_ENDPOINT": traces_to,
        "TAIL_SAMPLING_WAIT": "1s",
    }
    quiet = "--set=service.telemetry.metrics.level=none"
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        program = str(cached_tool("jaeger"))
        started = subprocess.Popen(
            [program, "--config", CONFIG, quiet], env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            yield f"http://{otlp}", f"http://{page}/metrics"
        finally:
            started.terminate()
            started.wait(20)


def _page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 -- our own
            return str(answer.read().decode())
    except OSError:
        return ""  # not yet


@pytest.fixture(scope="module")
def kept() -> Iterator[OtlpReceiver]:
    """What the collector sends on."""
    receiver = OtlpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def collector(kept: OtlpReceiver) -> Iterator[tuple[str, str]]:
    with collecting(kept.endpoint.removeprefix("http://")) as collector:
        yield collector


async def test_every_trace_with_an_error_or_a_slow_span_is_kept_and_a_tenth_of_the_others(
    collector: tuple[str, str], kept: OtlpReceiver
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector[0], timeout=30)))
    tracer = provider.get_tracer("test")
    for number in range(ORDINARY):
        with tracer.start_as_current_span(f"ordinary {number}"), tracer.start_as_current_span("child"):
            pass
    for number in range(20):
        with tracer.start_as_current_span(f"failed {number}"), tracer.start_as_current_span("child") as child:
            child.set_status(StatusCode.ERROR)
        slow = tracer.start_span(f"slow {number}", start_time=1_000_000_000)
        slow.end(2_500_000_000)
    provider.force_flush()

    async def decided() -> bool:
        names = [span.name for span in kept.all()]
        assert sum(name.startswith("failed") for name in names) == 20
        assert sum(name.startswith("slow") for name in names) == 20
        return any(name.startswith("ordinary") for name in names)

    await eventually(decided, what="the collector's decisions")
    provider.shutdown()
    names = [span.name for span in kept.all()]
    ordinary = sum(name.startswith("ordinary") for name in names)
    assert 0 < ordinary < ORDINARY / 2, "a tenth, by the trace's id"
    assert names.count("child") == 20 + ordinary, "traces are kept whole"


async def test_metrics_are_shown_by_the_names_that_dashboards_use(collector: tuple[str, str]) -> None:
    resource = Resource(
        {"service.name": "projector", "service.namespace": "orderflow", "service.instance.id": "host/7"}
    )
    exporter = OTLPMetricExporter(collector[0], timeout=30)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("test")
    meter.create_counter("orderflow.relay.published", unit="{event}").add(3, {"orderflow.log.shard": 0})
    meter.create_histogram("rpc.server.call.duration", unit="s").record(0.2, {"rpc.method": "a/B"})
    meter.create_up_down_counter("process.memory.usage", unit="By").add(7)

    async def shown() -> str:
        provider.force_flush()
        page = await asyncio.to_thread(_page, collector[1])
        assert "process_memory_usage_bytes" in page
        return page

    page = await eventually(shown, what="the metrics on the collector's page")
    provider.shutdown()
    labels = r'instance="host/7",job="orderflow/projector"'
    for wanted in (
        rf'^orderflow_relay_published_total\{{{labels},orderflow_log_shard="0".*\}} 3',
        rf'^rpc_server_call_duration_seconds_count\{{{labels},.*rpc_method="a/B".*\}} 1',
        rf"^process_memory_usage_bytes\{{{labels}.*\}} 7",
    ):
        assert re.search(wanted, page, re.MULTILINE), page
