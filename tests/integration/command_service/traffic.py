"""Clients that order at once and repeat as clients do; and what became of it all, read past the services."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg

from orderflow.events.v1.event_log_pb2 import EventMetadata
from orderflow.orders.v1 import command_service_pb2_grpc
from tests.integration.command_service.relays import Topics
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.orders import add, confirm, create

_CLIENTS = 8
_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
_EVENTS = {"CreateOrderRequest": "OrderCreated", "AddItemRequest": "ItemAdded", "ConfirmOrderRequest": "OrderConfirmed"}


@dataclass(frozen=True)
class Stored:
    """An event as its row has it."""

    aggregate_id: str
    version: int
    event_type: str
    event_data: bytes
    request_id: str
    command_type: str


class Traffic:
    """Sends orders' commands, one event each, and keeps what was sent and what was answered."""

    def __init__(self, channel: grpc.aio.Channel, database: WriteDatabase) -> None:
        self._orders: Any = command_service_pb2_grpc.OrderCommandServiceStub(channel)
        self.database = database
        self._sent: dict[str, Any] = {}
        self._answers: dict[str, Any] = {}
        self._clients: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    def begin(self) -> None:
        """Lets clients order, each one order after the other."""
        self._clients = [asyncio.create_task(self._order_on()) for _ in range(_CLIENTS)]

    async def goes_on(self, *, answers: int = 60) -> None:
        """Returns when so many more commands were answered."""
        wanted = len(self._answers) + answers

        async def enough() -> bool:
            for client in self._clients:
                if client.done():
                    client.result()
            return len(self._answers) >= wanted

        await eventually(enough, within=30, what=f"{answers} answers")

    async def end(self) -> None:
        """Returns when each client has finished its order."""
        self._ending.set()
        await asyncio.gather(*self._clients)

    async def order(self, order_id: str = "") -> None:
        """Creates an order, adds an item to it and confirms it."""
        order_id = (await self._send(create(order_id=order_id))).order_id
        await self._send(add(order_id=order_id))
        await self._send(confirm(order_id=order_id))

    async def assert_nothing_lost_or_doubled(self) -> None:
        """Guarantees 1-4 hold."""
        stored = self._stored()
        by_request: defaultdict[str, list[Stored]] = defaultdict(list)
        by_order: defaultdict[str, list[int]] = defaultdict(list)
        for event in stored:
            by_request[event.request_id].append(event)
            by_order[event.aggregate_id].append(event.version)
            command = self._sent[event.request_id]
            assert event.command_type == command.DESCRIPTOR.full_name
            assert event.event_type == f"orderflow.orders.v1.{_EVENTS[type(command).__name__]}"
        assert self._answers.keys() == self._sent.keys(), "every client repeated until it was answered"
        for request_id, answer in self._answers.items():
            effects = [(each.aggregate_id, each.version) for each in by_request[request_id]]
            assert effects == [(answer.order_id, answer.version)]
        for versions in by_order.values():
            assert versions == [*range(1, len(versions) + 1)]
        repeats = iter(list(self._sent.values()))
        await asyncio.gather(*[self._repeat(repeats) for _ in range(_CLIENTS)])
        assert self._stored() == stored, "the repeats had no effect"

    async def assert_published(self, topics: Topics) -> None:
        """Guarantee 5 holds: every event is in Kafka as it is stored, first appearances in order."""
        stored = {(each.aggregate_id, each.version): each.event_data for each in self._stored()}
        await topics.read_all(stored.keys(), within=40)
        assert {(each.aggregate_id, each.version): each.event_data for each in topics.events} == stored
        for versions in topics.first_appearances().values():
            assert versions == [*range(1, len(versions) + 1)]

    async def _order_on(self) -> None:
        while not self._ending.is_set():
            await self.order()

    async def _repeat(self, commands: Iterator[Any]) -> None:
        """Sends commands once more, each as it was; the answers are the same to the byte."""
        for command in commands:
            repeated = await self._call(command)
            assert repeated.SerializeToString() == self._answers[command.request_id].SerializeToString()

    async def _send(self, command: Any) -> Any:
        """The command's answer, however often it has to be repeated."""
        command.request_id = str(uuid.uuid4())
        self._sent[command.request_id] = command
        while True:
            try:
                answer = await self._call(command)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise
                await asyncio.sleep(0.05)  # as a client that is polite
            else:
                self._answers[command.request_id] = answer
                return answer

    async def _call(self, command: Any) -> Any:
        method = getattr(self._orders, type(command).__name__.removesuffix("Request"))
        return await method(command, timeout=10, wait_for_ready=True)

    def _stored(self) -> Sequence[Stored]:
        """The log, each order's events in the order of their positions."""
        query = "SELECT aggregate_id, version, event_type, event_data, metadata FROM event_store ORDER BY position"
        with psycopg.connect(self.database.owner_url) as connection:
            rows = connection.execute(query).fetchall()
        metadata = [EventMetadata.FromString(row[4]) for row in rows]
        return [
            Stored(str(row[0]), row[1], row[2], row[3], each.request_id, each.command_type)
            for row, each in zip(rows, metadata, strict=True)
        ]
