"""Stock under concurrency: two command servers on one port, and never a piece sold twice."""

import asyncio
import uuid
from collections import Counter

import grpc
import pytest

from command_service.event_store.database import Database
from command_service.event_store.postgres import PostgresEventStore
from command_service.inventory.aggregate import NAMING, stock_item_aggregate
from orderflow.inventory.v1 import commands_pb2 as commands
from orderflow.inventory.v1 import inventory_command_service_pb2_grpc as grpc_api
from tests.integration.command_service.served import Start
from tests.support.system import rpc_reason

ORDERS, PIECES, CONNECTIONS = 100, 10, 8


@pytest.mark.parametrize("quantity", [1, 3])
async def test_of_a_hundred_orders_only_as_many_get_the_last_pieces_as_there_are(
    start: Start, database: Database, quantity: int
) -> None:
    sku = f"PEN-{uuid.uuid4()}"
    own_connection = [("grpc.use_local_subchannel_pool", 1)]  # the kernel gives each to one of the servers
    with start("--workers", "2"):
        address = start.settings["GRPC_LISTEN_ADDRESS"]
        channels = [grpc.aio.insecure_channel(address, own_connection) for _ in range(CONNECTIONS)]
        stocks = [grpc_api.InventoryCommandServiceStub(channel) for channel in channels]
        request = commands.UpdateInventoryRequest(sku=sku, set=PIECES)
        await stocks[0].UpdateInventory(request, wait_for_ready=True, timeout=30)

        async def reserve(number: int) -> str:
            stock = stocks[number % CONNECTIONS]
            request = commands.ReserveStockRequest(
                request_id=str(uuid.uuid4()), sku=sku, order_id=str(uuid.uuid4()), quantity=quantity
            )
            while True:
                try:
                    await stock.ReserveStock(request, wait_for_ready=True, timeout=30)
                except grpc.aio.AioRpcError as error:
                    reason = rpc_reason(error)
                    if reason != "OVERLOADED":  # others were faster ten times; nothing was stored
                        return reason
                else:
                    return "OK"

        answers = Counter(await asyncio.gather(*map(reserve, range(ORDERS))))
        await asyncio.gather(*(channel.close() for channel in channels))
    expected = PIECES // quantity
    assert answers == {"OK": expected, "INSUFFICIENT_STOCK": ORDERS - expected}
    async with PostgresEventStore(database, 1, max_waiting=10) as store:
        history = (await store.load(NAMING.id_of(sku), None)).history
    item = stock_item_aggregate().fold(history)
    assert (item.on_hand, item.reserved) == (PIECES, expected * quantity)
    assert len(item.reservations) == expected
