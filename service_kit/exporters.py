"""Where a process sends what it records: OTLP over gRPC or HTTP, or a page for Prometheus, by OpenTelemetry's settings.

The OpenTelemetry SDK would read the same settings, but with defaults that reach for a collector on localhost; here
nothing is exported unless an endpoint is named.
"""

import os
from collections.abc import Sequence

import structlog
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import SpanExporter

from service_kit.settings import prometheus_port

_log = structlog.get_logger("service_kit.telemetry")


def span_exporter() -> SpanExporter | None:
    """Where spans go; None where they go nowhere."""
    if "otlp" not in _exporters("TRACES", "otlp") or not _has_endpoint("TRACES"):
        return None
    if _over_http("TRACES"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter  # noqa: PLC0415

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()


def metric_readers() -> Sequence[MetricReader]:
    """Who reads metrics: none, a sender of OTLP, a page for Prometheus, or both."""
    named = _exporters("METRICS", "otlp")
    readers: list[MetricReader] = []
    if "otlp" in named and _has_endpoint("METRICS"):
        readers.append(PeriodicExportingMetricReader(_metric_exporter()))
    if "prometheus" in named:
        readers.extend(_prometheus_page())
    return readers


def log_exporter() -> LogRecordExporter | None:
    """Where log records go beside standard output: nowhere unless OTEL_LOGS_EXPORTER says `otlp`."""
    if "otlp" not in _exporters("LOGS", "none") or not _has_endpoint("LOGS"):
        return None
    if _over_http("LOGS"):
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter  # noqa: PLC0415

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter  # noqa: PLC0415

    return OTLPLogExporter()


def _metric_exporter() -> MetricExporter:
    if _over_http("METRICS"):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter  # noqa: PLC0415

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    return OTLPMetricExporter()


def _prometheus_page() -> Sequence[MetricReader]:
    """Serves the page from a thread; a process whose port is taken goes on without."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415

    host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST") or "localhost"
    port = prometheus_port()
    registry = CollectorRegistry()
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        _log.error("no metrics for Prometheus: cannot listen", host=host, port=port, error=error.strerror)
        return ()
    return [PrometheusMetricReader(scope_info_enabled=False, registry=registry)]


def _exporters(signal: str, default: str) -> Sequence[str]:
    return [each.strip() for each in (os.environ.get(f"OTEL_{signal}_EXPORTER") or default).split(",")]


def _has_endpoint(signal: str) -> bool:
    return bool(
        os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    )


def _over_http(signal: str) -> bool:
    named = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return (named or "grpc").startswith("http/")
