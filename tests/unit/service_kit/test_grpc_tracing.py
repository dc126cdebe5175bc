"""The server span of every call: its name, kind and parent, and the status that the client saw."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from orderflow.common.v1 import errors_pb2
from orderflow.orders.v1 import queries_pb2 as queries
from service_kit.errors import InvalidArgument, TryLater
from service_kit.grpc_layers import Context
from service_kit.grpc_tracing import Tracing
from tests.support.eventually import eventually
from tests.unit.service_kit.in_process import LIST, Server, ends, serving

SERVICE = "orderflow.orders.v1.OrderQueryService"
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SPAN_ID = 0x00F067AA0BA902B7
PARENT = (("traceparent", f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01"), ("tracestate", "vendor=1"))
DEADLINE_SECONDS = 1.0

both = pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])


class Away(TryLater):
    """A fault of the server that is no surprise."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE


async def call(server: Server, *, streaming: bool, **options: Any) -> None:
    await (server.list(**options) if streaming else server.get(**options))


async def server_span(spans: InMemorySpanExporter) -> ReadableSpan:
    """The one server span; it ends a moment after the client has its answer."""

    async def ended() -> ReadableSpan | None:
        found = [each for each in spans.get_finished_spans() if each.kind is SpanKind.SERVER]
        assert len(found) <= 1
        return found[0] if found else None

    return await eventually(ended, within=20, what="the server's span")


@both
async def test_an_answered_call_has_a_span_that_continues_the_callers_trace(
    server: Server, spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    await call(server, streaming=streaming, metadata=PARENT)
    span = await server_span(spans)
    assert span.name == f"{SERVICE}/{'ListOrders' if streaming else 'GetOrder'}"
    assert span.kind is SpanKind.SERVER
    assert span.context is not None
    assert span.context.trace_id == TRACE_ID
    assert span.context.trace_state.to_header() == "vendor=1"
    assert span.parent is not None
    assert (span.parent.span_id, span.parent.is_remote) == (SPAN_ID, True)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": span.name,
        "rpc.response.status_code": "OK",
    }


@pytest.mark.parametrize("metadata", [(), (("traceparent", "broken"),)], ids=["none", "broken"])
async def test_a_call_without_a_trace_begins_one(server: Server, spans: InMemorySpanExporter, metadata: Any) -> None:
    await call(server, streaming=False, metadata=metadata)
    assert (await server_span(spans)).parent is None


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
        {"traceparent": "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"},
        {"traceparent": "00-" + "1" * 4000},
        {"traceparent": "00-" + "G" * 32 + "-" + "1" * 16 + "-01", "tracestate": "=,=,=;" * 50},
        {"tracestate": "a=" + "x" * 4000},
        {"baggage": "k=" + "%zz;" * 1000},
        {"baggage": ",,,;;;==" * 50, "traceparent": ""},
        {"traceparent-bin": b"\xff\x00", "baggage-bin": b"\x00"},
    ],
    ids=range(8),
)
async def test_hostile_headers_are_ignored_and_the_call_is_answered(
    server: Server, spans: InMemorySpanExporter, headers: dict[str, str | bytes]
) -> None:
    seen: list[object] = []

    async def unary(_request: object, _context: Context) -> queries.GetOrderResponse:
        seen.append(baggage.get_all())
        return queries.GetOrderResponse()

    server.scripted.unary = unary
    await call(server, streaming=False, metadata=tuple(headers.items()))
    span = await server_span(spans)
    assert span.parent is None
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "OK"
    assert seen == [{}]


async def test_baggage_goes_no_further(server: Server, spans: InMemorySpanExporter) -> None:
    injected: dict[str, str] = {}

    async def unary(_request: object, _context: Context) -> queries.GetOrderResponse:
        propagate.inject(injected)
        return queries.GetOrderResponse()

    server.scripted.unary = unary
    await call(server, streaming=False, metadata=(*PARENT, ("baggage", "user=zoe")))
    assert (await server_span(spans)).parent is not None
    assert "traceparent" in injected
    assert "baggage" not in injected


async def test_a_trace_that_is_not_sampled_stays_so(server: Server, spans: InMemorySpanExporter) -> None:
    await call(server, streaming=False, metadata=(("traceparent", f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-00"),))
    await call(server, streaming=False, metadata=PARENT)
    assert (await server_span(spans)).parent is not None, "the one span is that of the sampled call"


@both
async def test_what_the_method_does_is_inside_its_span(
    server: Server, spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    inside: list[int] = []

    async def unary(_request: object, _context: Context) -> queries.GetOrderResponse:
        inside.append(trace.get_current_span().get_span_context().span_id)
        return queries.GetOrderResponse()

    async def stream(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
        inside.append(trace.get_current_span().get_span_context().span_id)
        yield queries.ListOrdersResponse()
        inside.append(trace.get_current_span().get_span_context().span_id)

    server.scripted.unary, server.scripted.stream = unary, stream
    await call(server, streaming=streaming)
    span = await server_span(spans)
    assert span.context is not None
    assert set(inside) == {span.context.span_id}


@both
async def test_a_refusal_by_rule_is_no_fault_of_the_server(
    server: Server, spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    ends(server, InvalidArgument.of("order_id", "is wrong"))
    with pytest.raises(grpc.aio.AioRpcError):
        await call(server, streaming=streaming)
    span = await server_span(spans)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert span.attributes["error.type"] == "INVALID_ARGUMENT"
    assert span.attributes["orderflow.error.reason"] == "INVALID_FIELD"


@both
async def test_a_refusal_because_something_is_away_is_a_fault(
    server: Server, spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    ends(server, Away("the store is away"))
    with pytest.raises(grpc.aio.AioRpcError):
        await call(server, streaming=streaming)
    span = await server_span(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert span.attributes["orderflow.error.reason"] == "STORE_UNAVAILABLE"


@both
async def test_an_uncaught_error_is_a_fault_with_the_exception_recorded(
    server: Server, spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    ends(server, RuntimeError("oh no"))
    with pytest.raises(grpc.aio.AioRpcError):
        await call(server, streaming=streaming)
    span = await server_span(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "INTERNAL"
    assert span.attributes["error.type"] == "INTERNAL"
    [event] = span.events
    assert event.attributes is not None
    assert (event.name, event.attributes["exception.type"]) == ("exception", "RuntimeError")


@both
async def test_an_error_that_no_layer_has_answered_is_not_taken_for_success(
    spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    async with serving(Tracing()) as server:
        ends(server, RuntimeError("oh no"))
        with pytest.raises(grpc.aio.AioRpcError, match="UNKNOWN"):
            await call(server, streaming=streaming)
    span = await server_span(spans)
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "UNKNOWN"
    assert span.status.status_code is StatusCode.ERROR


async def test_a_call_that_the_client_cancels_is_no_fault(server: Server, spans: InMemorySpanExporter) -> None:
    ends(server, waits=True)
    calling = asyncio.ensure_future(server.get())
    await asyncio.wait_for(server.scripted.called.wait(), 1)
    calling.cancel()
    await assert_cancelled(spans)


async def test_a_stream_that_the_client_cancels_is_no_fault(server: Server, spans: InMemorySpanExporter) -> None:
    ends(server, waits=True)
    stream = server.stub.ListOrders(LIST)
    await anext(aiter(stream))
    stream.cancel()
    await assert_cancelled(spans)


async def test_a_call_with_a_deadline_that_the_client_cancels_before_it_is_cancelled(
    server: Server, spans: InMemorySpanExporter
) -> None:
    ends(server, waits=True)
    stream = server.stub.ListOrders(LIST, timeout=30)
    await anext(aiter(stream))
    stream.cancel()
    await assert_cancelled(spans)


async def assert_cancelled(spans: InMemorySpanExporter) -> None:
    span = await server_span(spans)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "CANCELLED"


@both
async def test_a_call_that_runs_into_its_deadline_is_a_fault(
    server: Server, spans: InMemorySpanExporter, *, streaming: bool
) -> None:
    ends(server, waits=True)
    await server.channel.channel_ready()  # or the deadline may pass before the server hears of the call
    with pytest.raises(grpc.aio.AioRpcError):
        await call(server, streaming=streaming, timeout=DEADLINE_SECONDS)
    span = await server_span(spans)
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert span.status.status_code is StatusCode.ERROR


async def test_a_deadline_that_the_client_notices_first_is_a_deadline_all_the_same(
    server: Server, spans: InMemorySpanExporter
) -> None:
    ends(server, waits=True)
    stream = server.stub.ListOrders(LIST, timeout=DEADLINE_SECONDS)
    await anext(aiter(stream))
    await asyncio.sleep(DEADLINE_SECONDS - 0.05)
    stream.cancel()
    span = await server_span(spans)
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
