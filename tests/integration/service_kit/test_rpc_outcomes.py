"""How each kind of call ends, as a plain OTLP receiver is told: one server span, with what the client saw."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from orderflow.common.v1 import errors_pb2
from service_kit.errors import InvalidArgument, TryLater
from tests.support.eventually import eventually
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.tracing import tracer_provider
from tests.unit.service_kit.in_process import LIST, Server, ends, serving

UNSET, ERROR = trace_pb2.Status.STATUS_CODE_UNSET, trace_pb2.Status.STATUS_CODE_ERROR
Call = Callable[[Server, bool, Any], Awaitable[None]]


class Away(TryLater):
    """A fault of the server that is no surprise."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """Gets all spans of this process, by the exporter that services use."""
    receiver = OtlpReceiver()
    exporter = OTLPSpanExporter(endpoint=receiver.endpoint, insecure=True)
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=50)
    tracer_provider().add_span_processor(processor)
    yield receiver
    processor.shutdown()  # type: ignore[no-untyped-call]
    receiver.close()


@pytest.fixture
async def server(receiver: OtlpReceiver) -> AsyncIterator[Server]:  # noqa: ARG001 -- the layers ask for the provider
    async with serving() as server:
        yield server


async def _to_its_end(server: Server, streaming: bool, metadata: Any) -> None:  # noqa: FBT001
    with suppress(grpc.aio.AioRpcError):
        await (server.list(metadata=metadata) if streaming else server.get(metadata=metadata))


async def _to_its_deadline(server: Server, streaming: bool, metadata: Any) -> None:  # noqa: FBT001
    await server.channel.channel_ready()  # or the deadline may pass before the server hears of the call
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await (server.list if streaming else server.get)(metadata=metadata, timeout=2)


async def _cancelled(server: Server, streaming: bool, metadata: Any) -> None:  # noqa: FBT001
    if streaming:
        stream = server.stub.ListOrders(LIST, metadata=metadata)
        await anext(aiter(stream))
        stream.cancel()
    else:
        calling = asyncio.ensure_future(server.get(metadata=metadata))
        await asyncio.wait_for(server.scripted.called.wait(), 10)
        calling.cancel()


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(
    ("call", "error", "waits", "code", "status", "reason"),
    [
        pytest.param(_to_its_end, None, False, "OK", UNSET, None, id="answered"),
        pytest.param(
            _to_its_end,
            InvalidArgument.of("order_id", "is wrong"),
            False,
            "INVALID_ARGUMENT",
            UNSET,
            "INVALID_FIELD",
            id="refused",
        ),
        pytest.param(_to_its_end, Away("away"), False, "UNAVAILABLE", ERROR, "STORE_UNAVAILABLE", id="away"),
        pytest.param(_to_its_end, RuntimeError("oh no"), False, "INTERNAL", ERROR, None, id="uncaught"),
        pytest.param(_cancelled, None, True, "CANCELLED", UNSET, None, id="cancelled"),
        pytest.param(_to_its_deadline, None, True, "DEADLINE_EXCEEDED", ERROR, None, id="deadline"),
    ],
)
async def test_a_call_is_told_once_with_its_end(
    server: Server,
    receiver: OtlpReceiver,
    *,
    call: Call,
    error: Exception | None,
    waits: bool,
    code: str,
    status: int,
    reason: str | None,
    streaming: bool,
) -> None:
    trace_id, parent = secrets.token_hex(16), secrets.token_hex(8)
    ends(server, error, waits=waits)
    await call(server, streaming, (("traceparent", f"00-{trace_id}-{parent}-01"),))

    async def told() -> ReceivedSpan | None:
        spans = receiver.trace(trace_id)
        assert len(spans) <= 1
        return spans[0] if spans else None

    span = await eventually(told, what="the server's span")
    method = f"orderflow.orders.v1.OrderQueryService/{'ListOrders' if streaming else 'GetOrder'}"
    expected: dict[str, str] = {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": code}
    if code != "OK":
        expected["error.type"] = code
    if reason is not None:
        expected["orderflow.error.reason"] = reason
    assert span.attributes == expected
    assert (span.name, span.parent_id) == (method, parent)
    assert span.span.kind == trace_pb2.Span.SPAN_KIND_SERVER
    assert span.span.status.code == status
    assert [event.name for event in span.span.events] == (["exception"] if code == "INTERNAL" else [])
