"""Erasures by whole command servers: killed between the event and the key, and two workers behind a port."""

import signal
import uuid

import grpc
import psycopg
import pytest

from orderflow.admin.v1 import erasure_pb2, personal_data_admin_service_pb2_grpc
from orderflow.customers.v1 import commands_pb2 as customers
from orderflow.customers.v1 import customer_service_pb2_grpc, queries_pb2
from orderflow.orders.v1 import command_service_pb2_grpc
from tests.integration.command_service.relays import MASTER_KEY, process
from tests.integration.command_service.sealed import EMAIL, NAME, OTHER_MASTER_KEY, setting
from tests.integration.command_service.served import Start
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.orders import create

pytestmark = pytest.mark.timeout(120)


class Customers:
    """Calls whatever command server listens, as soon as one does."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub: customer_service_pb2_grpc.CustomerServiceAsyncStub = customer_service_pb2_grpc.CustomerServiceStub(
            channel
        )

    async def register(self) -> str:
        """A new customer."""
        request = customers.RegisterCustomerRequest(request_id=str(uuid.uuid4()), name=NAME, email=EMAIL)
        return (await self.stub.RegisterCustomer(request, wait_for_ready=True, timeout=30)).customer_id

    async def erase(self, customer_id: str, request_id: str = "") -> customers.EraseCustomerResponse:
        """Erases one; a server that dies of it is not waited for."""
        request = customers.EraseCustomerRequest(customer_id=customer_id, request_id=request_id)
        return await self.stub.EraseCustomer(request, timeout=30)

    async def name_of(self, customer_id: str) -> str:
        """As the server shows it."""
        request = queries_pb2.GetCustomerRequest(customer_id=customer_id)
        return (await self.stub.GetCustomer(request, wait_for_ready=True, timeout=30)).customer.name


def keys_left(database: WriteDatabase) -> int:
    """How many keys there are that are not destroyed."""
    with psycopg.connect(database.service_url) as connection:
        row = connection.execute("SELECT count(*) FROM personal_data_key WHERE wrapped_key IS NOT NULL").fetchone()
    assert row is not None
    return int(row[0])


async def no_key_left(database: WriteDatabase) -> None:
    async def none_left() -> bool:
        return keys_left(database) == 0

    await eventually(none_left, within=60, what="the end of the key")


async def test_a_server_that_dies_before_it_comes_to_the_key_finds_it_when_it_starts_again(
    start: Start, write_database: WriteDatabase
) -> None:
    calls, request_id = Customers(start.channel), str(uuid.uuid4())
    with start("--no-relay", FAIL_POINT="erasure.appended") as served:
        customer_id = await calls.register()
        with pytest.raises(grpc.aio.AioRpcError):
            await calls.erase(customer_id, request_id)
        assert await served.server.end() == -signal.SIGKILL
    assert keys_left(write_database) == 1
    with start("--no-relay"):
        assert await calls.name_of(customer_id) == ""
        await no_key_left(write_database)
        assert (await calls.erase(customer_id, request_id)).version == 2


async def test_a_server_that_dies_before_the_event_has_erased_nothing_and_a_repeat_does(
    start: Start, write_database: WriteDatabase
) -> None:
    calls, request_id = Customers(start.channel), str(uuid.uuid4())
    with start("--no-relay", FAIL_POINT="append.unsent:2") as served:
        customer_id = await calls.register()
        with pytest.raises(grpc.aio.AioRpcError):
            await calls.erase(customer_id, request_id)
        assert await served.server.end() == -signal.SIGKILL
    with start("--no-relay"):
        assert await calls.name_of(customer_id) == NAME
        assert keys_left(write_database) == 1
        assert (await calls.erase(customer_id, request_id)).version == 2
        assert keys_left(write_database) == 0


async def test_with_two_workers_an_erasure_by_one_ends_what_the_other_can_open(
    start: Start, write_database: WriteDatabase
) -> None:
    """Each call comes by a connection of its own, so that both workers have used the key before."""
    calls = Customers(start.channel)
    address = start.settings["GRPC_LISTEN_ADDRESS"]
    with start("--no-relay", "--workers", "2", PERSONAL_DATA_KEY_SECONDS="2"):
        customer_id = await calls.register()
        for _ in range(12):
            async with grpc.aio.insecure_channel(address) as channel:
                assert await Customers(channel).name_of(customer_id) == NAME
        await calls.erase(customer_id)
        assert keys_left(write_database) == 0
        for _ in range(12):
            async with grpc.aio.insecure_channel(address) as channel:
                assert await Customers(channel).name_of(customer_id) == ""

        async def refused_by_both() -> bool:
            for _ in range(12):
                async with grpc.aio.insecure_channel(address) as channel:
                    orders: command_service_pb2_grpc.OrderCommandServiceAsyncStub = (
                        command_service_pb2_grpc.OrderCommandServiceStub(channel)
                    )
                    try:
                        await orders.CreateOrder(create(order_id=str(uuid.uuid4()), customer_id=customer_id))
                    except grpc.aio.AioRpcError as error:
                        assert error.code() is grpc.StatusCode.NOT_FOUND  # noqa: PT017
                    else:
                        return False
            return True

        await eventually(refused_by_both, what="both workers know that the key is destroyed")


async def test_the_check_tells_an_erased_customer_from_one_who_is_not(
    start: Start, write_database: WriteDatabase
) -> None:
    calls = Customers(start.channel)
    admin: personal_data_admin_service_pb2_grpc.PersonalDataAdminServiceAsyncStub = (
        personal_data_admin_service_pb2_grpc.PersonalDataAdminServiceStub(start.channel)
    )
    with start("--no-relay"):
        customer_id = await calls.register()
        asked = erasure_pb2.CheckLogErasureRequest(customer_id=customer_id)
        before = {each.place: each for each in (await admin.CheckLogErasure(asked)).findings}
        assert before["personal_data_key"].remaining_count == 1
        assert (before["event_store"].examined_count, before["event_store"].remaining_count) == (1, 0)
        await calls.erase(customer_id)
        after = (await admin.CheckLogErasure(asked)).findings
        assert sum(each.remaining_count for each in after) == 0
    assert keys_left(write_database) == 0


async def test_master_keys_are_rotated_by_a_command_while_a_server_that_knows_both_goes_on(start: Start) -> None:
    calls = Customers(start.channel)
    with start("--no-relay"):
        customer_id = await calls.register()
    both = {
        "PERSONAL_DATA_MASTER_KEY": setting(OTHER_MASTER_KEY),
        "PERSONAL_DATA_FORMER_MASTER_KEYS": MASTER_KEY,
        "PERSONAL_DATA_KEY_SECONDS": "0",
    }
    with start("--no-relay", fulfillment=False, **both):
        assert await calls.name_of(customer_id) == NAME
        with process("command_service.personal_data", {**start.settings, **both}, "rotate") as rotation:
            assert await rotation.end() == 0
        assert await calls.name_of(customer_id) == NAME
    with start("--no-relay", PERSONAL_DATA_MASTER_KEY=setting(OTHER_MASTER_KEY)):
        assert await calls.name_of(customer_id) == NAME
    with start("--no-relay") as served:  # with the former one alone
        assert await served.server.end() == 1
        [refused] = served.server.logged("stopped by an error")
        assert "PERSONAL_DATA_FORMER_MASTER_KEYS" in refused["error"]
