"""Bare grpc.aio servers that answer a method with a ready message: the limit of any server in Python."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from benchmarks.processes import free_address, listening, start, stop
from orderflow.orders.v1 import command_service_pb2, query_service_pb2

_FILES = (command_service_pb2.DESCRIPTOR, query_service_pb2.DESCRIPTOR)


@asynccontextmanager
async def echoes(method: MethodDescriptor, answer: Message, processes: int = 1) -> AsyncIterator[str]:
    """So many servers that share the address, and answer one of the orders' methods."""
    address = free_address()
    ready = base64.b64encode(answer.SerializeToString()).decode()
    running = [await start(["-m", "benchmarks.echo", address, method.full_name, ready], {}) for _ in range(processes)]
    try:
        await listening(address)
        yield address
    finally:
        await stop(running)


async def _serve(address: str, method: MethodDescriptor, data: bytes) -> None:
    response_type = GetMessageClass(method.output_type)
    ready = response_type.FromString(data)

    async def answer(_request: Message, _context: object) -> Message:
        return ready

    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=response_type.SerializeToString,
    )
    service: Any = method.containing_service
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, {method.name: handler})])
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    _address, _name, _answer = sys.argv[1:]
    (_method,) = (
        each
        for file in _FILES
        for service in file.services_by_name.values()
        for each in service.methods
        if each.full_name == _name
    )
    asyncio.run(_serve(_address, _method, base64.b64decode(_answer)))
