"""A server span and a duration for every RPC, with the status that the client saw.

Own code, because OpenTelemetry's aio server interceptor presets status OK, leaves it on uncaught errors and
cancellations, and breaks on coroutine-style streams (see docs/adr).
"""

import asyncio
import time
from collections.abc import Iterator

import grpc
from google.protobuf.message import Message
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.semconv._incubating.attributes.rpc_attributes import (
    RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE,
    RPC_SYSTEM_NAME,
)
from opentelemetry.semconv._incubating.metrics.rpc_metrics import RPC_SERVER_CALL_DURATION
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import SpanKind, StatusCode

from service_kit.grpc_layers import Call, Context
from service_kit.metrics import SECONDS_BUCKETS
from service_kit.telemetry import context_of

_DEADLINE_SLACK_SECONDS = 0.1
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_SERVER_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}  # the semantic conventions' list for servers: a refusal by rule is no fault of the server


class Tracing:
    """The outermost layer: continues the caller's trace; tells each call's status and duration, and how many run."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("service_kit.grpc")
        self._running: dict[str, int] = {}
        meter = metrics.get_meter("service_kit.grpc")
        self._durations = meter.create_histogram(
            RPC_SERVER_CALL_DURATION,
            unit="s",
            description="From a call's arrival to its end, by method and status.",
            explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
        )
        meter.create_observable_up_down_counter(
            "orderflow.rpc.server.calls.running",
            [self._observe_running],
            unit="{call}",
            description="Calls that have not ended, streams too, by method.",
        )

    def around(self, method: str, call: Call) -> Call:
        """The call inside a span named by its method."""
        attributes = {RPC_SYSTEM_NAME: "grpc", RPC_METHOD: method}
        ends = {code: _end(method, code) for code in grpc.StatusCode}
        self._running[method] = 0

        async def traced(request: Message, context: Context) -> Message | None:
            begin = time.perf_counter()
            span = self._tracer.start_span(
                method, context=context_of(_carrier(context)), kind=SpanKind.SERVER, attributes=attributes
            )
            code = grpc.StatusCode.UNKNOWN
            self._running[method] += 1
            try:
                with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                    response = await call(request, context)
                code = grpc.StatusCode.OK
            except asyncio.CancelledError:
                code = _ended_early(context)
                raise
            except grpc.aio.AbortError:
                code = _code_of(context)
                raise
            finally:
                self._running[method] -= 1
                exemplar = trace.set_span_in_context(span) if span.is_recording() else None
                self._durations.record(time.perf_counter() - begin, ends[code], exemplar)
                _close(span, code)
            return response

        return traced

    def _observe_running(self, _: CallbackOptions) -> Iterator[Observation]:
        for method, count in self._running.items():
            yield Observation(count, {RPC_SYSTEM_NAME: "grpc", RPC_METHOD: method})


def _end(method: str, code: grpc.StatusCode) -> dict[str, str]:
    """A duration's attributes."""
    attributes = {RPC_SYSTEM_NAME: "grpc", RPC_METHOD: method, RPC_RESPONSE_STATUS_CODE: code.name}
    return attributes if code is grpc.StatusCode.OK else {**attributes, ERROR_TYPE: code.name}


def _carrier(context: Context) -> dict[str, str]:
    metadata = context.invocation_metadata() or ()
    return {key: str(value) for key, value in metadata if key in ("traceparent", "tracestate")}


def _ended_early(context: Context) -> grpc.StatusCode:
    """Why a call was cancelled: at its deadline the client cancels, and that can arrive before ours has passed."""
    remaining = context.time_remaining()
    expired = remaining is not None and remaining <= _DEADLINE_SLACK_SECONDS
    return grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED


def _code_of(context: Context) -> grpc.StatusCode:
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else _CODES.get(int(code), grpc.StatusCode.UNKNOWN)


def _close(span: trace.Span, code: grpc.StatusCode) -> None:
    span.set_attribute(RPC_RESPONSE_STATUS_CODE, code.name)
    if code is not grpc.StatusCode.OK:
        span.set_attribute(ERROR_TYPE, code.name)
    if code in _SERVER_FAULTS:
        span.set_status(StatusCode.ERROR)
    span.end()
