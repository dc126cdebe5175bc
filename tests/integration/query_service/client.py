"""The query service as a test calls it."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.query_service_pb2_grpc import OrderQueryServiceStub

if TYPE_CHECKING:
    from orderflow.orders.v1.query_service_pb2_grpc import OrderQueryServiceAsyncStub


class Queries:
    """Calls over a real channel; keyword arguments are fields of the request."""

    def __init__(self, channel: grpc.aio.Channel, address: str = "") -> None:
        self.address = address
        self._health: Any = health_pb2_grpc.HealthStub(channel)
        self.stub: OrderQueryServiceAsyncStub = OrderQueryServiceStub(channel)

    async def until_healthy(self) -> None:
        """Returns once the service says that it serves."""
        asked = health_pb2.HealthCheckRequest(service="orderflow.orders.v1.OrderQueryService")
        watching = self._health.Watch(asked)
        async for answer in watching:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                break
        watching.cancel()

    async def call(self, request: Any, *, seconds: float | None = None) -> list[Any]:
        """All answers of the method that takes this request."""
        call = getattr(self.stub, type(request).__name__.removesuffix("Request"))(request, timeout=seconds)
        return [answer async for answer in call] if hasattr(call, "__aiter__") else [await call]

    async def get(self, order_id: str, *, seconds: float | None = None, **fields: Any) -> queries_pb2.GetOrderResponse:
        """GetOrder."""
        return await self.stub.GetOrder(queries_pb2.GetOrderRequest(order_id=order_id, **fields), timeout=seconds)

    async def list_(self, **fields: Any) -> list[queries_pb2.ListOrdersResponse]:
        """All chunks of ListOrders."""
        return [chunk async for chunk in self.stub.ListOrders(queries_pb2.ListOrdersRequest(**fields))]

    async def search(self, query: str = "", **fields: Any) -> list[queries_pb2.SearchOrdersResponse]:
        """All chunks of SearchOrders."""
        return [chunk async for chunk in self.stub.SearchOrders(queries_pb2.SearchOrdersRequest(query=query, **fields))]

    async def history(self, order_id: str, **fields: Any) -> list[queries_pb2.GetOrderHistoryResponse]:
        """All chunks of GetOrderHistory."""
        request = queries_pb2.GetOrderHistoryRequest(order_id=order_id, **fields)
        return [chunk async for chunk in self.stub.GetOrderHistory(request)]


async def refusal_of(call: Awaitable[Any]) -> "Refusal":
    """How the call, which must be refused, was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return Refusal(refused.value)


class Refusal:
    """What a refused call said."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.trailers = dict(error.trailing_metadata() or ())
        status = rpc_status.from_call(cast("grpc.Call", error))
        assert status is not None, error
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        self.has_retry_info = False
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad_request)
            self.has_retry_info |= detail.Unpack(retry)
        self.reason = info.reason
        self.metadata = dict(info.metadata)
        self.fields = [violation.field for violation in bad_request.field_violations]
