"""OrderCommandService over gRPC: request in, command handled, answer out."""

from command_service.handler import CommandHandler
from command_service.orders.state import Order
from orderflow.orders.v1 import command_service_pb2_grpc as grpc_api
from orderflow.orders.v1 import commands_pb2 as pb
from service_kit.grpc_layers import Context


class OrderCommandServicer(grpc_api.OrderCommandServiceServicer):
    """Every method hands its request to the command handler; the layers answer what is refused."""

    def __init__(self, orders: CommandHandler[Order]) -> None:
        self._orders = orders

    async def CreateOrder(self, request: pb.CreateOrderRequest, context: Context) -> pb.CreateOrderResponse:
        """Creates an order."""
        return await self._orders.handle(request, pb.CreateOrderResponse)

    async def AddItem(self, request: pb.AddItemRequest, context: Context) -> pb.AddItemResponse:
        """Adds a line to a pending order."""
        return await self._orders.handle(request, pb.AddItemResponse)

    async def RemoveItem(self, request: pb.RemoveItemRequest, context: Context) -> pb.RemoveItemResponse:
        """Takes units of a product off a pending order."""
        return await self._orders.handle(request, pb.RemoveItemResponse)

    async def RecordPayment(self, request: pb.RecordPaymentRequest, context: Context) -> pb.RecordPaymentResponse:
        """Records a payment."""
        return await self._orders.handle(request, pb.RecordPaymentResponse)

    async def RecordRefund(self, request: pb.RecordRefundRequest, context: Context) -> pb.RecordRefundResponse:
        """Records a refund."""
        return await self._orders.handle(request, pb.RecordRefundResponse)

    async def ConfirmOrder(self, request: pb.ConfirmOrderRequest, context: Context) -> pb.ConfirmOrderResponse:
        """Confirms a pending order."""
        return await self._orders.handle(request, pb.ConfirmOrderResponse)

    async def ShipOrder(self, request: pb.ShipOrderRequest, context: Context) -> pb.ShipOrderResponse:
        """Ships a confirmed order."""
        return await self._orders.handle(request, pb.ShipOrderResponse)

    async def DeliverOrder(self, request: pb.DeliverOrderRequest, context: Context) -> pb.DeliverOrderResponse:
        """Delivers a shipped order."""
        return await self._orders.handle(request, pb.DeliverOrderResponse)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Context) -> pb.CancelOrderResponse:
        """Cancels an order that is not delivered."""
        return await self._orders.handle(request, pb.CancelOrderResponse)
