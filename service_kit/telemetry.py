"""OpenTelemetry for one process: providers set up from its standard environment variables, flushed at exit."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from service_kit.exporters import log_exporter, metric_readers, span_exporter
from service_kit.log_export import OtlpHandler
from service_kit.metrics import tell_of_process

_LAST_SECONDS = 5.0
_TRACE_CONTEXT = TraceContextTextMapPropagator()


@contextmanager
def telemetry(service_name: str) -> Iterator[None]:
    """Runs the body with tracing, metrics and exported logs as the settings say, and flushes them after it.

    Without `OTEL_EXPORTER_OTLP_ENDPOINT` (or its per-signal forms) no trace is recorded or exported; spans then still
    carry valid ids, so that logs, stored events and tokens name a trace. Metrics go there and, where
    OTEL_METRICS_EXPORTER names `prometheus`, to a page of their own; logs only where OTEL_LOGS_EXPORTER says `otlp`.
    What a collector has not taken some seconds after the end is dropped.
    """
    resource = _resource(service_name)
    shutdowns = [_trace(resource), _measure(resource), _send_logs(resource)]
    try:
        yield
    finally:
        _all_within(_LAST_SECONDS, shutdowns)


def _resource(service_name: str) -> Resource:
    """Who tells: OTEL_RESOURCE_ATTRIBUTES may say otherwise. Processes on one host differ by their pid."""
    ours = Resource({SERVICE_NAMESPACE: "orderflow", SERVICE_INSTANCE_ID: f"{socket.gethostname()}/{os.getpid()}"})
    named = Resource({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or service_name})
    return ours.merge(Resource.create({})).merge(named)


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


def _trace(resource: Resource) -> Callable[[], None]:
    exporter = span_exporter()
    if exporter is None:
        trace.set_tracer_provider(
            TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
        )
        return _nothing
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def _measure(resource: Resource) -> Callable[[], None]:
    readers = metric_readers()
    if not readers:
        metrics.set_meter_provider(metrics.NoOpMeterProvider())  # nobody reads, so nobody pays
        return _nothing
    provider = MeterProvider(resource=resource, metric_readers=readers, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    tell_of_process(provider.get_meter("service_kit"))
    return provider.shutdown


def _send_logs(resource: Resource) -> Callable[[], None]:
    exporter = log_exporter()
    if exporter is None:
        return _nothing
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logging.getLogger().addHandler(OtlpHandler(provider))
    return provider.shutdown


def _nothing() -> None:
    """Ends what was never begun."""


def _all_within(seconds: float, steps: Sequence[Callable[[], None]]) -> None:
    """Takes the steps side by side and leaves those that take longer: a collector that is away must hold nobody up."""
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=step, daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
