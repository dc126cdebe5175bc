"""A server span for every RPC, with the status that the client saw.

Own code, because OpenTelemetry's aio server interceptor presets status OK, leaves it on uncaught errors and
cancellations, and breaks on coroutine-style streams (see docs/adr).
"""

import asyncio

import grpc
from google.protobuf.message import Message
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes.rpc_attributes import (
    RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE,
    RPC_SYSTEM_NAME,
)
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import SpanKind, StatusCode

from service_kit.grpc_layers import Call, Context
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
    """The outermost layer: continues the caller's trace; sets the rpc attributes and the span's status."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("service_kit.grpc")

    def around(self, method: str, call: Call) -> Call:
        """The call inside a span named by its method."""
        attributes = {RPC_SYSTEM_NAME: "grpc", RPC_METHOD: method}

        async def traced(request: Message, context: Context) -> Message | None:
            span = self._tracer.start_span(
                method, context=context_of(_carrier(context)), kind=SpanKind.SERVER, attributes=attributes
            )
            code = grpc.StatusCode.UNKNOWN
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
                _close(span, code)
            return response

        return traced


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
