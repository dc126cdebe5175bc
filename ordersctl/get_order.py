"""Asks for an order, as it is or as it was."""

from orderflow.orders.v1.queries_pb2 import GetOrderRequest, GetOrderResponse
from ordersctl.client import Client
from ordersctl.errors import CallFailed


async def get_order(client: Client, request: GetOrderRequest) -> GetOrderResponse:
    """The answer to the request.

    Raises:
        CallFailed: the call was refused or failed; says how to find a moment at which there was such an order.
    """
    try:
        return await client.call(client.queries.GetOrder, request)
    except CallFailed as failed:
        in_the_past = request.HasField("at_version") or request.HasField("as_of_time")
        if in_the_past and failed.failure.reason == "ORDER_NOT_FOUND":
            advice = f"`ordersctl order history {request.order_id}` shows its versions and when each came"
            raise failed.advised(advice) from failed
        raise
