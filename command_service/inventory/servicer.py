"""InventoryCommandService over gRPC: request in, command handled, answer out."""

from command_service.handler import CommandHandler
from command_service.inventory.state import StockItem
from orderflow.inventory.v1 import commands_pb2 as pb
from orderflow.inventory.v1 import inventory_command_service_pb2_grpc as grpc_api
from service_kit.grpc_layers import Context


class InventoryCommandServicer(grpc_api.InventoryCommandServiceServicer):
    """Every method hands its request to the command handler; the layers answer what is refused."""

    def __init__(self, stock: CommandHandler[StockItem]) -> None:
        self._stock = stock

    async def UpdateInventory(self, request: pb.UpdateInventoryRequest, context: Context) -> pb.UpdateInventoryResponse:
        """Sets or adjusts how many pieces there are."""
        return await self._stock.handle(request, pb.UpdateInventoryResponse)

    async def ReserveStock(self, request: pb.ReserveStockRequest, context: Context) -> pb.ReserveStockResponse:
        """Holds pieces for an order."""
        return await self._stock.handle(request, pb.ReserveStockResponse)

    async def ReleaseStock(self, request: pb.ReleaseStockRequest, context: Context) -> pb.ReleaseStockResponse:
        """Gives back what an order holds."""
        return await self._stock.handle(request, pb.ReleaseStockResponse)

    async def CommitStock(self, request: pb.CommitStockRequest, context: Context) -> pb.CommitStockResponse:
        """Takes what an order holds off the stock."""
        return await self._stock.handle(request, pb.CommitStockResponse)
