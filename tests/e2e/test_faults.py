"""Processes that are killed or stopped in mid-work: what was acknowledged is stored once and shown."""

import asyncio
import signal
import uuid
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import grpc
import pytest

from deploy.local.process import Process, marked
from orderflow.orders.v1 import commands_pb2 as commands
from tests.support.checker import assert_documents_equal_the_log, assert_versions_have_no_gap, history
from tests.support.eventually import eventually
from tests.support.system import Clients, System, create_order, register_customer

pytestmark = pytest.mark.timeout(180)
Answer = TypeVar("Answer")
_WRITERS = 4
_ENOUGH = 60


class Load:
    """Writers that create and confirm orders until told to stop, each command with a request id and retries."""

    def __init__(self, clients: Clients, customer_id: str) -> None:
        self._clients = clients
        self._customer_id = customer_id
        self._stop = asyncio.Event()
        self.acknowledged: dict[str, int] = {}

    async def write(self) -> None:
        """Creates and confirms one order after another."""
        while not self._stop.is_set():
            request = create_order(self._customer_id)
            created = await self._insisted(partial(self._clients.orders.CreateOrder, request))
            self.acknowledged[created.order_id] = created.version
            confirm = commands.ConfirmOrderRequest(request_id=str(uuid.uuid4()), order_id=created.order_id)
            confirmed = await self._insisted(partial(self._clients.orders.ConfirmOrder, confirm))
            self.acknowledged[created.order_id] = confirmed.version

    def stop(self) -> None:
        """Lets each writer finish its order."""
        self._stop.set()

    async def acknowledges(self, more: int) -> None:
        """Returns when so many more orders were acknowledged."""
        goal = len(self.acknowledged) + more

        async def reached() -> bool:
            return len(self.acknowledged) >= goal

        await eventually(reached, within=60, what=f"{more} more orders")

    async def _insisted(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, however often the call has to be repeated: the request id makes that safe."""
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    raise
                await asyncio.sleep(0.05)


async def _during_load(clients: Clients, system: System, fault: Callable[[], None]) -> None:
    """Breaks something in mid-load, lets the load go on after it, and checks everything."""
    customer = await clients.customers.RegisterCustomer(register_customer())
    load = Load(clients, customer.customer_id)
    async with asyncio.TaskGroup() as writers:
        for _ in range(_WRITERS):
            writers.create_task(load.write())
        await load.acknowledges(_ENOUGH)
        await asyncio.to_thread(fault)
        await load.acknowledges(_ENOUGH)
        load.stop()
    await assert_versions_have_no_gap(clients)
    stored = await history(clients, "order")
    assert {each: len(stored[each]) for each in load.acknowledged} == load.acknowledged
    read_es_url = system.stack.environment()["READ_ES_URL"]

    async def converged() -> bool:
        await assert_documents_equal_the_log(clients, read_es_url)
        return True

    await eventually(converged, within=60, what="documents that equal the log")


def _children(system: System, name: str) -> Iterable[Process]:
    main = system.stack.process(name)
    assert main is not None
    return [each for each in marked(system.stack.profile.mark(name)) if each.pid != main.pid]


@pytest.mark.parametrize("name", ["command_service", "projector", "query_service"])
async def test_a_service_that_is_killed_and_started_again_loses_nothing(
    clients: Clients, system: System, name: str
) -> None:
    def fault() -> None:
        system.stack.kill(name)
        system.stack.start(name)

    await _during_load(clients, system, fault)


async def test_a_relay_that_is_killed_is_started_again_and_loses_nothing(clients: Clients, system: System) -> None:
    def fault() -> None:
        for child in _children(system, "command_service"):
            child.signal(signal.SIGKILL)

    await _during_load(clients, system, fault)


@pytest.mark.parametrize("name", ["command_service", "projector", "query_service"])
async def test_a_service_that_is_told_to_stop_drains_and_goes(clients: Clients, system: System, name: str) -> None:
    def fault() -> None:
        system.stack.stop(name)
        last = system.stack.log(name).read_text().splitlines()[-1]
        system.stack.start(name)
        assert "ended in good order" in last

    await _during_load(clients, system, fault)


@pytest.mark.parametrize("name", ["kafka", "elasticsearch", "redis", "postgresql"])
async def test_a_server_that_is_killed_and_started_again_loses_nothing(
    clients: Clients, system: System, name: str
) -> None:
    def fault() -> None:
        system.stack.kill(name)
        system.stack.start(name)

    await _during_load(clients, system, fault)
