"""What every call of a `Client` gets: ids, tokens and trace context before it, typed errors after it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message

from orderflow_client.errors import error_of
from orderflow_client.requests import completed, request_id_of, traced
from orderflow_client.tokens import Tokens


class _CallDetails(NamedTuple):
    """grpc has no class of its own for it in this API."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class Interceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Completes requests, remembers answers' tokens, and types errors."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """One answer."""
        request = completed(request, self._tokens)
        return _Answer(continuation(_with_trace(client_call_details), request), request, self._tokens)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Many answers."""
        request = completed(request, self._tokens)
        return _Answers(continuation(_with_trace(client_call_details), request))


class _Wrapped:
    """A call of grpc, but for what the subclass says."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _Answer(_Wrapped):
    def __init__(self, call: Any, request: Message, tokens: Tokens) -> None:
        super().__init__(call)
        self._request = request
        self._tokens = tokens

    def result(self, timeout: float | None = None) -> Any:
        try:
            answer = self._call.result(timeout)
        except grpc.RpcError as error:
            raise error_of(error, request_id_of(self._request)) from error  # type: ignore[arg-type]
        self._tokens.remember(answer)
        return answer


class _Answers(_Wrapped):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise error_of(error) from error  # type: ignore[arg-type]


def _with_trace(details: Any) -> _CallDetails:
    return _CallDetails(
        details.method,
        details.timeout,
        traced(details.metadata),
        details.credentials,
        details.wait_for_ready,
        details.compression,
    )
