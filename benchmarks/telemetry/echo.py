"""An echo of CreateOrder in a server like ours: every layer and all telemetry, and nothing behind it."""

import asyncio
from functools import partial
from typing import cast

import uvloop

from benchmarks.write.commands import ANSWER
from command_service.handler import CommandHandler
from command_service.orders.servicer import OrderCommandServicer
from command_service.orders.state import Order
from orderflow.orders.v1 import command_service_pb2, command_service_pb2_grpc, commands_pb2
from service_kit.grpc_server import GrpcServer
from service_kit.process import run
from service_kit.settings import ServiceSettings, load

_SERVICE = command_service_pb2.DESCRIPTOR.services_by_name["OrderCommandService"]


class _Echo:
    """Takes the place of what handles commands."""

    async def handle(self, _command: object, _answer: object) -> commands_pb2.CreateOrderResponse:
        """The answer, whatever the command."""
        return ANSWER


async def _serve(settings: ServiceSettings, stop: asyncio.Event) -> None:
    server = GrpcServer(settings, {})
    servicer = OrderCommandServicer(cast("CommandHandler[Order]", _Echo()))
    command_service_pb2_grpc.add_OrderCommandServiceServicer_to_server(servicer, server.grpc)
    await server.serve([_SERVICE], stop)


if __name__ == "__main__":
    _settings = load(ServiceSettings)
    run("echo", _settings, partial(_serve, _settings), new_loop=uvloop.new_event_loop)
