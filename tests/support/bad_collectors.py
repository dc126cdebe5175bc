"""Collectors that are away, take connections and say nothing, or refuse what they are sent."""

import socket
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc


@contextmanager
def dead() -> Iterator[str]:
    """Nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """Connections are taken, and nothing is ever said."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    """Every export is refused at once, as by a collector whose memory is full."""
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None).wait()


class _Refusing(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ARG002 -- all are refused
        """Refuses whatever is called."""

        def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(refuse)


ALL: tuple[Callable[[], Any], ...] = (dead, silent, refusing)
