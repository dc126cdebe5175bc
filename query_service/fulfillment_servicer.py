"""FulfillmentQueryService: each method hands its request to its use case."""

from orderflow.fulfillment.v1 import queries_pb2, query_service_pb2_grpc
from query_service.deadline import Deadline
from query_service.get_fulfillment import GetFulfillment
from service_kit.grpc_layers import Context


class FulfillmentQueryServicer(query_service_pb2_grpc.FulfillmentQueryServiceServicer):
    """Serves the queries of fulfillments."""

    def __init__(self, get: GetFulfillment) -> None:
        self._get = get

    async def GetFulfillment(
        self, request: queries_pb2.GetFulfillmentRequest, context: Context
    ) -> queries_pb2.GetFulfillmentResponse:
        """Reads an order's fulfillment."""
        return await self._get(request, Deadline.of(context))
