"""A bare grpc.aio server that answers CreateOrder with a ready message: the limit of any server in Python."""

import asyncio
import sys

import grpc

from orderflow.orders.v1 import command_service_pb2_grpc, commands_pb2

_ANSWER = commands_pb2.CreateOrderResponse(
    order_id="a05c2b87-81e2-5ec8-a256-1fb5d59d03a9", version=1, status=1, consistency_token="x" * 150
)


class _Echo(command_service_pb2_grpc.OrderCommandServiceServicer):
    async def CreateOrder(
        self,
        request: commands_pb2.CreateOrderRequest,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> commands_pb2.CreateOrderResponse:
        """Answers at once."""
        return _ANSWER


async def _serve(address: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    command_service_pb2_grpc.add_OrderCommandServiceServicer_to_server(_Echo(), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
