"""A bare grpc.aio server that answers CreateOrder with a ready message: the limit of any server in Python."""

import asyncio
import sys

import grpc

from orderflow.orders.v1 import commands_pb2, order_pb2

_ANSWER = commands_pb2.CreateOrderResponse(
    order_id="a05c2b87-81e2-5ec8-a256-1fb5d59d03a9",
    version=1,
    status=order_pb2.ORDER_STATUS_PENDING,
    consistency_token="x" * 150,
)


async def _create_order(
    _request: commands_pb2.CreateOrderRequest, _context: object
) -> commands_pb2.CreateOrderResponse:
    return _ANSWER


async def _serve(address: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    method = grpc.unary_unary_rpc_method_handler(
        _create_order,
        request_deserializer=commands_pb2.CreateOrderRequest.FromString,
        response_serializer=commands_pb2.CreateOrderResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler("orderflow.orders.v1.OrderCommandService", {"CreateOrder": method})
    server.add_generic_rpc_handlers([service])
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
