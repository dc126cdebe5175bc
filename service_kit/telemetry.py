"""OpenTelemetry for one process: providers set up from its standard environment variables, flushed at exit."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

_TRACE_CONTEXT = TraceContextTextMapPropagator()


@contextmanager
def telemetry(service_name: str) -> Iterator[None]:
    """Runs the body with tracing and metrics on, and flushes them after it.

    Without `OTEL_EXPORTER_OTLP_ENDPOINT` (or its per-signal forms) nothing is recorded or exported;
    spans then still carry valid ids, so that logs, stored events and tokens name a trace.
    """
    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", service_name)})
    tracer_provider = _tracer_provider(resource)
    meter_provider = _meter_provider(resource)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    try:
        yield
    finally:
        tracer_provider.shutdown()
        meter_provider.shutdown()


def traceparent() -> tuple[str, str]:
    """The current span's W3C `traceparent` and `tracestate`; empty strings where there is none."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return "", ""
    return (
        f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
        context.trace_state.to_header(),
    )


def inner_span(
    tracer: trace.Tracer,
    name: str,
    *,
    kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    attributes: Attributes = None,
) -> AbstractContextManager[trace.Span]:
    """A span below the current one; where that is not sampled, the current one itself, at no cost.

    An exception is an error of a call to another system (kind CLIENT); inside, it may be a refusal by rule.
    """
    current = trace.get_current_span()
    if not current.is_recording():
        return nullcontext(current)
    fails = kind is trace.SpanKind.CLIENT
    return tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=fails, set_status_on_exception=fails
    )


def context_of(carrier: Mapping[str, str]) -> Context:
    """The remote context that `traceparent` and `tracestate` name; an empty context where they are broken."""
    return _TRACE_CONTEXT.extract(carrier, context=Context())


def span_context_of(traceparent_value: str) -> trace.SpanContext:
    """The span that a stored `traceparent` names; an invalid span context where it is broken."""
    return trace.get_current_span(context_of({"traceparent": traceparent_value})).get_span_context()


def _tracer_provider(resource: Resource) -> TracerProvider:
    if not _exports("TRACES"):
        return TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_span_exporter()))
    return provider


def _meter_provider(resource: Resource) -> MeterProvider:
    readers = [PeriodicExportingMetricReader(_metric_exporter())] if _exports("METRICS") else []
    return MeterProvider(resource=resource, metric_readers=readers, shutdown_on_exit=False)


def _exports(signal: str) -> bool:
    if os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp") == "none":
        return False
    return bool(
        os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    )


def _over_http() -> bool:
    return os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").startswith("http/")


def _span_exporter() -> SpanExporter:
    if _over_http():
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter  # noqa: PLC0415

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()


def _metric_exporter() -> MetricExporter:
    if _over_http():
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter  # noqa: PLC0415

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    return OTLPMetricExporter()
