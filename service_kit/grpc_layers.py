"""Layers around every RPC of a server: each wraps a method's call once, unary and streaming alike.

A streaming method is an async generator in its servicer. Here it becomes a coroutine that writes what the
generator yields and always closes it in the same task, so that a cancelled call frees what it holds at once.
"""

from __future__ import annotations  # grpc's own types take parameters only in its stubs

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Call: TypeAlias = Callable[[Message, Context], Awaitable[Message | None]]


class Undecodable:
    """Stands for a request whose bytes are no message of its type."""


class Layer(Protocol):
    """Something that happens around every call."""

    def around(self, method: str, call: Call) -> Call:
        """The call with this layer around it; `method` is its full name, `package.Service/Method`."""


class Layers(grpc.aio.ServerInterceptor):
    """Puts layers around every method of our contracts, outermost first; reflection and health stay bare."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    async def finish(self, longest_seconds: float) -> None:
        """Returns when the calls in flight have ended: a server that stops cancels them, but does not wait for them."""
        if self._running:
            await asyncio.wait(self._running, timeout=longest_seconds)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Answers the wrapped handler, which is made at a method's first call."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/orderflow."):
            return handler
        if method not in self._wrapped:
            self._wrapped[method] = self._wrap(method.removeprefix("/"), handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        if handler.request_streaming:
            raise TypeError(f"{method}: no layer knows streamed requests")
        call = _written(handler.unary_stream) if handler.response_streaming else cast("Call", handler.unary_unary)
        for layer in reversed(self._layers):
            call = layer.around(method, call)
        call = self._noted(call)
        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(
            cast("Any", call),
            request_deserializer=_reading(cast("Callable[[bytes], Message]", handler.request_deserializer)),
            response_serializer=handler.response_serializer,
        )

    def _noted(self, call: Call) -> Call:
        async def noted(request: Message, context: Context) -> Message | None:
            task = cast("asyncio.Task[Any]", asyncio.current_task())
            self._running.add(task)
            try:
                return await call(request, context)
            finally:
                self._running.discard(task)

        return noted


def _reading(parse: Callable[[bytes], Message]) -> Callable[[bytes], Message | Undecodable]:
    """Reads without raising: gRPC would answer UNKNOWN, with Python's words, before any layer is asked."""

    def read(data: bytes) -> Message | Undecodable:
        try:
            return parse(data)
        except DecodeError:
            return Undecodable()

    return read


def _written(stream: Any) -> Call:
    if not inspect.isasyncgenfunction(stream):
        return cast("Call", stream)

    async def write_all(request: Message, context: Context) -> None:
        responses = cast("AsyncIterator[Message]", stream(request, context))
        async with aclosing(cast("Any", responses)):
            async for response in responses:
                await context.write(response)

    return write_all
