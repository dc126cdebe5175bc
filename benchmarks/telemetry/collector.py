"""A collector that takes whatever comes and looks at none of it: all of the cost is the sender's."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from benchmarks.processes import free_address, listening, start, stop


@asynccontextmanager
async def collector() -> AsyncIterator[str]:
    """Its address."""
    address = free_address()
    running = [await start(["-m", "benchmarks.telemetry.collector", address], {})]
    try:
        await listening(address)
        yield address
    finally:
        await stop(running)


class _Anything(grpc.GenericRpcHandler):
    """Answers every method with an empty message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":  # noqa: ARG002
        async def answer(_request: bytes, _context: object) -> bytes:
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


async def _serve(address: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_Anything()])
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
