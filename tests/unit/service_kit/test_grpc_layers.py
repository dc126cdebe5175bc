"""The layers around every call, over a real server: answers, refusals, faults, and calls that end early."""

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2

from orderflow.common.v1 import errors_pb2
from orderflow.orders.v1 import queries_pb2 as queries
from service_kit.errors import FieldViolation, InvalidArgument, TryLater
from service_kit.grpc_layers import Context
from tests.unit.service_kit.in_process import LIST, Server, detail, info_of, status_of

SECRET = "password=hunter2"
DEADLINE_SECONDS = 2.0
"""Long enough for the first message of a stream on a machine that is busy with something else."""


class TimedOut(TryLater):
    """A refusal with trailers of its own."""

    reason = errors_pb2.ERROR_REASON_EVENTUAL_CONSISTENCY_TIMEOUT
    trailers = (("grpc-retry-pushback-ms", "-1"),)


async def refuses(_request: object, _context: Context) -> queries.GetOrderResponse:
    raise InvalidArgument.of("order_id", "is not to my taste")


async def refuses_midway(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
    yield queries.ListOrdersResponse(resume_token="1")
    raise InvalidArgument("no more", [FieldViolation("filter", "is worn out")])


async def breaks(_request: object, _context: Context) -> queries.GetOrderResponse:
    raise RuntimeError(SECRET)


async def breaks_midway(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
    yield queries.ListOrdersResponse(resume_token="1")
    raise RuntimeError(SECRET)


async def waits(_request: object, _context: Context) -> queries.GetOrderResponse:
    await asyncio.Event().wait()
    return queries.GetOrderResponse()


async def yields_and_waits(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
    yield queries.ListOrdersResponse(resume_token="1")
    await asyncio.Event().wait()


async def never_ends(_request: object, _context: Context) -> AsyncIterator[queries.ListOrdersResponse]:
    while True:
        yield queries.ListOrdersResponse(resume_token="x" * 100_000)


async def test_an_answer_passes_through(server: Server) -> None:
    assert await server.get() == queries.GetOrderResponse()


async def test_a_stream_passes_through_to_its_end(server: Server) -> None:
    assert [each.resume_token for each in await server.list()] == ["1", "2"]
    assert server.scripted.closed.is_set()


async def test_a_refusal_is_answered_with_its_code_and_details(server: Server) -> None:
    server.scripted.unary = refuses
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await server.get()
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.value.details() == "order_id: is not to my taste"
    status = status_of(refusal.value)
    assert (info_of(status).reason, info_of(status).domain) == ("INVALID_FIELD", "orderflow")
    assert [each.field for each in detail(status, error_details_pb2.BadRequest).field_violations] == ["order_id"]


async def test_a_refusal_brings_its_trailers(server: Server) -> None:
    async def times_out(_request: object, _context: Context) -> queries.GetOrderResponse:
        raise TimedOut("not yet")

    server.scripted.unary = times_out
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await server.get()
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert ("grpc-retry-pushback-ms", "-1") in tuple(refusal.value.trailing_metadata())


async def test_a_stream_that_is_refused_midway_keeps_what_was_sent(server: Server) -> None:
    server.scripted.stream = refuses_midway
    chunks = aiter(server.stub.ListOrders(LIST))
    assert (await anext(chunks)).resume_token == "1"
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await anext(chunks)
    assert info_of(status_of(refusal.value)).reason == "INVALID_FIELD"
    assert server.scripted.closed.is_set()


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
async def test_an_uncaught_error_is_internal_and_leaks_nothing_but_is_logged(
    server: Server, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], *, streaming: bool
) -> None:
    server.scripted.unary, server.scripted.stream = breaks, breaks_midway
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as fault:
        await (server.list() if streaming else server.get())
    assert fault.value.code() is grpc.StatusCode.INTERNAL
    assert SECRET not in str(fault.value)
    assert SECRET in caplog.text + capsys.readouterr().out


async def test_the_server_goes_on_after_an_uncaught_error(server: Server) -> None:
    server.scripted.stream = breaks_midway
    with pytest.raises(grpc.aio.AioRpcError):
        await server.list()
    assert await server.get() == queries.GetOrderResponse()


async def test_a_call_that_the_client_cancels_ends_at_once(server: Server) -> None:
    server.scripted.unary = waits
    call = asyncio.ensure_future(server.get())
    await asyncio.wait_for(server.scripted.called.wait(), 1)
    call.cancel()
    await asyncio.wait_for(server.scripted.closed.wait(), 1)


@pytest.mark.parametrize("stream", [yields_and_waits, never_ends], ids=["waiting for data", "held back by the reader"])
async def test_a_stream_that_the_client_cancels_is_closed_at_once(server: Server, stream: object) -> None:
    server.scripted.stream = stream  # type: ignore[assignment]
    call = server.stub.ListOrders(LIST)
    await anext(aiter(call))
    assert not server.scripted.closed.is_set()
    call.cancel()
    await asyncio.wait_for(server.scripted.closed.wait(), 1)


@pytest.mark.parametrize("stream", [yields_and_waits, never_ends], ids=["waiting for data", "held back by the reader"])
async def test_a_stream_that_runs_into_its_deadline_is_closed_at_once(server: Server, stream: object) -> None:
    server.scripted.stream = stream  # type: ignore[assignment]
    call = server.stub.ListOrders(LIST, timeout=DEADLINE_SECONDS)
    await anext(aiter(call))
    await asyncio.wait_for(server.scripted.closed.wait(), DEADLINE_SECONDS + 1)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
