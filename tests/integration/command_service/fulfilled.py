"""Fulfillment as tests see it: processes of their own, orders and stock over gRPC, and what the log says then."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from command_service.aggregate import Aggregate, State
from command_service.fulfillment.aggregate import NAMING, fulfillment_aggregate
from command_service.fulfillment.state import Fulfillment
from command_service.inventory.aggregate import NAMING as STOCK_NAMING
from command_service.inventory.aggregate import stock_item_aggregate
from command_service.inventory.state import StockItem
from command_service.orders.aggregate import order_aggregate
from command_service.orders.state import Order
from event_schemas.aggregates import AGGREGATES
from orderflow.events.v1.event_log_pb2 import EventMetadata
from orderflow.inventory.v1 import commands_pb2 as stock_commands
from orderflow.inventory.v1 import inventory_command_service_pb2_grpc
from orderflow.orders.v1 import command_service_pb2_grpc, order_pb2
from orderflow.orders.v1 import commands_pb2 as order_commands
from tests.integration.command_service.relays import Running, process
from tests.integration.command_service.served import FULFILLMENT, Start
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.orders import DELIVERY, create, item, money

PIECES = 10
_EVENTS = {each.type: each.events for each in AGGREGATES}
_QUICK = {"FULFILLMENT_LEASE_SECONDS": "2", "COMMAND_TIMEOUT_SECONDS": "20"}


@dataclass
class Shop:
    """A command server's clients, and its database."""

    start: Start
    database: WriteDatabase
    orders: Any = field(init=False)
    stock: Any = field(init=False)

    def __post_init__(self) -> None:
        self.orders = command_service_pb2_grpc.OrderCommandServiceStub(self.start.channel)
        self.stock = inventory_command_service_pb2_grpc.InventoryCommandServiceStub(self.start.channel)

    @contextmanager
    def fulfilling(self, **settings: str) -> Iterator[Running]:
        """A fulfillment process; payments are waited for long unless told otherwise."""
        address = {"COMMAND_SERVICE_ADDRESS": self.start.settings["GRPC_LISTEN_ADDRESS"]}
        with process(FULFILLMENT, {**self.start.settings, **address, **_QUICK, **settings}) as running:
            yield running

    async def put(self, **pieces: int) -> None:
        """Sets stock, as soon as the server is there."""
        for sku, count in pieces.items():
            request = stock_commands.UpdateInventoryRequest(sku=sku, set=count)
            await self.stock.UpdateInventory(request, wait_for_ready=True, timeout=30)

    async def order(self, **pieces: int) -> str:
        """A new order of automatic fulfillment, each piece for ten euros."""
        return await self._order(pieces, order_pb2.FULFILLMENT_MODE_AUTOMATIC)

    async def order_by_hand(self, **pieces: int) -> str:
        """A new order that nobody moves on."""
        return await self._order(pieces or {"PEN": 1}, order_pb2.FULFILLMENT_MODE_MANUAL)

    async def pay(self, order_id: str, *, euros: int) -> None:
        """Pays an order."""
        request = order_commands.RecordPaymentRequest(
            order_id=order_id, payment_reference="pay", amount=money(f"{euros}.00")
        )
        await self.orders.RecordPayment(request, timeout=30)

    async def ship(self, order_id: str) -> None:
        """Ships an order."""
        request = order_commands.ShipOrderRequest(order_id=order_id, tracking_number="T-1")
        await self.orders.ShipOrder(request, timeout=30)

    async def cancel(self, order_id: str) -> None:
        """Cancels an order."""
        request = order_commands.CancelOrderRequest(order_id=order_id, reason="by hand")
        await self.orders.CancelOrder(request, timeout=30)

    async def until(self, order_id: str, step: str, *, within: float = 40.0) -> Fulfillment:
        """The fulfillment, once it is at a step."""

        async def there() -> Fulfillment | None:
            found = self.fulfillment(order_id)
            return found if found.step == step else None

        return await eventually(there, within=within, what=f"{step} of {order_id}")

    async def until_nothing_is_open(self, *, within: float = 40.0) -> None:
        """Returns when every row of what is open is gone."""

        async def none() -> bool:
            return not self.query("SELECT 1 FROM open_fulfillment")

        await eventually(none, within=within, what="an empty table of what is open")

    def fulfillment(self, order_id: str) -> Fulfillment:
        """A fulfillment, as the log has it."""
        return self._folded(fulfillment_aggregate(), NAMING.id_of(order_id))

    def state(self, order_id: str) -> Order:
        """An order, as the log has it."""
        return self._folded(order_aggregate(DELIVERY), uuid.UUID(order_id))

    def item(self, sku: str) -> StockItem:
        """A stock item, as the log has it."""
        return self._folded(stock_item_aggregate(), STOCK_NAMING.id_of(sku))

    def events(self, aggregate_id: uuid.UUID | str) -> list[str]:
        """What happened to an aggregate: its events' names."""
        rows = self._history(uuid.UUID(str(aggregate_id)))
        return [event_type.rpartition(".")[2] for _, event_type, _, _ in rows]

    def times(self, sku: str) -> Mapping[str, int]:
        """How often each happened to a stock item."""
        return Counter(self.events(STOCK_NAMING.id_of(sku)))

    def log(self) -> list[tuple[Any, ...]]:
        """All of the log."""
        return self.query("SELECT position, aggregate_id, version, event_type FROM event_store ORDER BY position")

    def traces(self, aggregate_id: uuid.UUID | str) -> set[str]:
        """The trace ids that an aggregate's events carry."""
        rows = self._history(uuid.UUID(str(aggregate_id)))
        return {EventMetadata.FromString(metadata).traceparent[3:35] for *_, metadata in rows}

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with psycopg.connect(self.database.service_url, autocommit=True) as connection:
            return connection.execute(statement, list(arguments)).fetchall()

    async def _order(self, pieces: Mapping[str, int], mode: "order_pb2.FulfillmentMode.ValueType") -> str:
        lines = [item("10.00", sku=sku, quantity=count) for sku, count in pieces.items()]
        request = create(*lines, order_id=str(uuid.uuid4()), request_id=str(uuid.uuid4()), fulfillment_mode=mode)
        answer = await self.orders.CreateOrder(request, wait_for_ready=True, timeout=30)
        return str(answer.order_id)

    def _history(self, aggregate_id: uuid.UUID) -> list[tuple[Any, ...]]:
        return self.query(
            "SELECT aggregate_type, event_type, event_data, metadata FROM event_store"
            " WHERE aggregate_id = %s ORDER BY version",
            aggregate_id,
        )

    def _folded(self, aggregate: Aggregate[State], aggregate_id: uuid.UUID) -> State:
        state = aggregate.initial
        for kind, event_type, data, _ in self._history(aggregate_id):
            state = aggregate.evolve(state, _EVENTS[kind].parse(event_type, data))
        return state
