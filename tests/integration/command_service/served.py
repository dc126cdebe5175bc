"""Command servers in processes of their own, and a way to them."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from orderflow.orders.v1 import command_service_pb2_grpc
from orderflow.orders.v1 import commands_pb2 as commands
from tests.integration.command_service.relays import Running, process
from tests.support.eventually import eventually
from tests.support.orders import create

RELAY = "command_service.relay"
FULFILLMENT = "command_service.fulfillment"
WORKER = "command_service --supervised"


@dataclass(frozen=True)
class Served:
    """A command server and a way to it."""

    server: Running
    channel: grpc.aio.Channel

    @property
    def orders(self) -> "command_service_pb2_grpc.OrderCommandServiceAsyncStub":
        """Sends commands."""
        return command_service_pb2_grpc.OrderCommandServiceStub(self.channel)

    async def create_order(self, order_id: uuid.UUID | None = None) -> commands.CreateOrderResponse:
        """Creates an order, as soon as the server is there."""
        order = create(order_id=str(order_id or uuid.uuid4()), request_id=str(uuid.uuid4()))
        return await self.orders.CreateOrder(order, wait_for_ready=True, timeout=30)

    def children(self, kind: str) -> list[int]:
        """Its children that run a module."""
        pids = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        return [int(pid) for pid in pids if kind in command_line(int(pid))]

    async def child(self, kind: str, *, not_: int = 0) -> int:
        """Its one child that runs a module, once there is one that is not the given one."""

        async def there() -> int | None:
            return next((pid for pid in self.children(kind) if pid != not_), None)

        return await eventually(there, within=20, what=f"a child {kind}")


def command_line(pid: int) -> str:
    """The arguments of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def free_address() -> str:
    """An address of this host that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@dataclass(frozen=True)
class Start:
    """Starts command servers."""

    settings: dict[str, str]
    channel: grpc.aio.Channel

    @contextmanager
    def __call__(self, *arguments: str, fulfillment: bool = False, **settings: str) -> Iterator[Served]:
        """A command server; its children die with it.

        Args:
            fulfillment: whether it has that as a child, too.
        """
        without = () if fulfillment else ("--no-fulfillment",)
        with process("command_service", {**self.settings, **settings}, *without, *arguments) as server:
            yield Served(server, self.channel)
