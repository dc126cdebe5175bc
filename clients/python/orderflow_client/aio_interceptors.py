"""What every call of an `AsyncClient` gets: ids, tokens and trace context before it, typed errors after it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from orderflow_client.errors import error_of
from orderflow_client.requests import completed, request_id_of, traced
from orderflow_client.tokens import Tokens


class UnaryInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Completes requests, remembers answers' tokens, and types errors."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """One answer."""
        request = completed(request, self._tokens)
        call = await continuation(_with_trace(client_call_details), request)
        try:
            self._tokens.remember(await call)
        except grpc.aio.AioRpcError as error:
            raise error_of(error, request_id_of(request)) from error
        return call


class StreamInterceptor(grpc.aio.UnaryStreamClientInterceptor):
    """Completes requests and types errors."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Many answers."""
        call = await continuation(_with_trace(client_call_details), completed(request, self._tokens))
        return _answers(call)


async def _answers(call: Any) -> AsyncIterator[Any]:
    try:
        async for answer in call:
            yield answer
    except grpc.aio.AioRpcError as error:
        raise error_of(error) from error
    finally:
        call.cancel()  # a caller that leaves a stream does not cancel it by that


def _with_trace(details: Any) -> grpc.aio.ClientCallDetails:
    return grpc.aio.ClientCallDetails(
        method=details.method,
        timeout=details.timeout,
        metadata=grpc.aio.Metadata(*traced(details.metadata)),
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )
