"""A gRPC proxy before the real services that does what a call's metadata ask for: loses answers, breaks streams.

It forwards bytes, and treats each call as one with many answers, which is the same on the wire.
"""

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc

_CALL, _FAULT = "x-call", "x-fault"
_OURS = {_CALL, _FAULT, "user-agent", "te", "content-type"}
_CHANNEL_OPTIONS = (("grpc.enable_retries", 0),)


class FaultyProxy(grpc.GenericRpcHandler):
    """Serves on a free port of the loopback interface.

    Args:
        command: `host:port` of the command service.
        query: `host:port` of the query service, for services whose name says so.

    Attributes:
        attempts: how often each call arrived, by its `x-call`.
    """

    def __init__(self, *, command: str, query: str) -> None:
        self.attempts: Counter[str] = Counter()
        self.port = 0
        self._addresses = {"command": command, "query": query}
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Begins to serve."""
        self._channels = {
            name: grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
            for name, address in self._addresses.items()
        }
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers([self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    async def stop(self) -> None:
        """Ends what is under way."""
        if self._server:
            await self._server.stop(0)
        for channel in self._channels.values():
            await channel.close()

    def service(self, handler_call_details: Any) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Takes any method."""
        return grpc.unary_stream_rpc_method_handler(partial(self._forward, handler_call_details.method))

    async def _forward(self, method: str, request: bytes, context: Any) -> AsyncIterator[bytes]:
        given = dict(context.invocation_metadata())
        call_id = given.get(_CALL, "")
        self.attempts[call_id] += 1
        fault, _, number = given.get(_FAULT, "").partition(":")
        passed = [(key, value) for key, value in given.items() if key not in _OURS and not key.startswith("grpc-")]
        begin: Any = self._channel(method).unary_stream(method)
        call = begin(request, timeout=context.time_remaining(), metadata=passed)
        sent = 0
        try:
            async for answer in call:
                if fault == "lose-answer" and self.attempts[call_id] <= int(number):
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost on purpose")
                if fault == "break-after" and sent == int(number):
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the stream was broken on purpose")
                yield answer
                sent += 1
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata()))
        finally:
            call.cancel()

    def _channel(self, method: str) -> grpc.aio.Channel:
        return self._channels["query" if "QueryService/" in method else "command"]
