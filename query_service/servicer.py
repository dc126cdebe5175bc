"""OrderQueryService: each method hands its request to its use case."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from orderflow.orders.v1 import queries_pb2, query_service_pb2_grpc
from query_service.customer_summaries import GetCustomerSummary, ListCustomerSummaries
from query_service.deadline import Deadline
from query_service.get_order import GetOrder
from query_service.list_orders import ListOrders
from query_service.order_history import GetOrderHistory
from query_service.search_orders import SearchOrders
from query_service.watch_orders import WatchOrders
from service_kit.grpc_layers import Context


class OrderQueryServicer(query_service_pb2_grpc.OrderQueryServiceServicer):
    """Serves the queries of orders."""

    def __init__(
        self,
        *,
        get: GetOrder,
        list_: ListOrders,
        search: SearchOrders,
        history: GetOrderHistory,
        watch: WatchOrders,
        summarize: GetCustomerSummary,
        list_summaries: ListCustomerSummaries,
    ) -> None:
        self._get = get
        self._list = list_
        self._search = search
        self._history = history
        self._watch = watch
        self._summarize = summarize
        self._list_summaries = list_summaries

    async def GetOrder(self, request: queries_pb2.GetOrderRequest, context: Context) -> queries_pb2.GetOrderResponse:
        """Reads one order."""
        return await self._get(request, Deadline.of(context))

    async def ListOrders(
        self, request: queries_pb2.ListOrdersRequest, context: Context
    ) -> AsyncGenerator[queries_pb2.ListOrdersResponse, None]:
        """Lists orders."""
        async with aclosing(self._list(request, Deadline.of(context))) as responses:
            async for response in responses:
                yield response

    async def SearchOrders(
        self, request: queries_pb2.SearchOrdersRequest, context: Context
    ) -> AsyncGenerator[queries_pb2.SearchOrdersResponse, None]:
        """Searches orders by text."""
        async with aclosing(self._search(request, Deadline.of(context))) as responses:
            async for response in responses:
                yield response

    async def GetOrderHistory(
        self, request: queries_pb2.GetOrderHistoryRequest, context: Context
    ) -> AsyncGenerator[queries_pb2.GetOrderHistoryResponse, None]:
        """Shows what happened to an order."""
        async with aclosing(self._history(request, Deadline.of(context))) as responses:
            async for response in responses:
                yield response

    async def WatchOrders(
        self, request: queries_pb2.WatchOrdersRequest, context: Context
    ) -> AsyncGenerator[queries_pb2.WatchOrdersResponse, None]:
        """Watches orders."""
        async with aclosing(self._watch(request)) as responses:
            async for response in responses:
                yield response

    async def GetCustomerSummary(
        self, request: queries_pb2.GetCustomerSummaryRequest, context: Context
    ) -> queries_pb2.GetCustomerSummaryResponse:
        """Reads a customer's orders in figures."""
        return await self._summarize(request, Deadline.of(context))

    async def ListCustomerSummaries(
        self, request: queries_pb2.ListCustomerSummariesRequest, context: Context
    ) -> AsyncGenerator[queries_pb2.ListCustomerSummariesResponse, None]:
        """Lists customers with their orders in figures."""
        async with aclosing(self._list_summaries(request, Deadline.of(context))) as responses:
            async for response in responses:
                yield response
