"""The Python client package against the real services: what its README promises."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from orderflow.orders.v1.commands_pb2 import CancelOrderRequest, ConfirmOrderRequest, DeliverOrderRequest
from orderflow.orders.v1.queries_pb2 import (
    GetOrderHistoryRequest,
    GetOrderRequest,
    ListOrdersRequest,
    OrderFilter,
    WatchOrdersRequest,
)
from orderflow_client import AsyncClient, Client, InvalidRequest, NotVisibleYet, RefusedByState, VersionMismatch
from tests.support.system import System, create_order


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with Client(command=system.stack.address("command_service"), query=system.stack.address("query_service")) as client:
        yield client


@pytest.fixture
async def aio(system: System) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(
        command=system.stack.address("command_service"), query=system.stack.address("query_service")
    ) as client:
        yield client


def test_queries_see_what_the_client_has_changed(client: Client) -> None:
    who = str(uuid.uuid4())
    ids = [client.orders.CreateOrder(create_order(who)).order_id for _ in range(3)]
    client.orders.ConfirmOrder(ConfirmOrderRequest(order_id=ids[0]))
    assert client.queries.GetOrder(GetOrderRequest(order_id=ids[0])).order.version == 2
    chunks = client.resumed(client.queries.ListOrders, ListOrdersRequest(filter=OrderFilter(customer_id=who)))
    listed = [(order.order_id, order.version) for chunk in chunks for order in chunk.orders]
    assert listed == [(ids[2], 1), (ids[1], 1), (ids[0], 2)]


async def test_queries_see_what_the_asynchronous_client_has_changed(aio: AsyncClient) -> None:
    who = str(uuid.uuid4())
    created = await aio.orders.CreateOrder(create_order(who))
    assert (await aio.queries.GetOrder(GetOrderRequest(order_id=created.order_id))).order.version == 1
    chunks = aio.resumed(aio.queries.ListOrders, ListOrdersRequest(filter=OrderFilter(customer_id=who)))
    assert [order.order_id async for chunk in chunks for order in chunk.orders] == [created.order_id]


def test_refusals_are_typed_and_name_the_request(client: Client) -> None:
    created = client.orders.CreateOrder(create_order(str(uuid.uuid4())))
    with pytest.raises(RefusedByState) as refused:
        client.orders.DeliverOrder(DeliverOrderRequest(order_id=created.order_id))
    assert refused.value.reason == "NOT_ALLOWED_IN_STATUS"
    assert refused.value.violations[0].subject == f"order/{created.order_id}"
    assert refused.value.metadata["current_status"] == "PENDING"
    assert uuid.UUID(refused.value.request_id)
    with pytest.raises(VersionMismatch) as mismatch:
        client.orders.ConfirmOrder.future(ConfirmOrderRequest(order_id=created.order_id, expected_version=5)).result()
    assert mismatch.value.current_version == 1
    with pytest.raises(InvalidRequest) as wrong:
        next(client.queries.ListOrders(ListOrdersRequest(resume_token="mine")))
    assert [each.field for each in wrong.value.fields] == ["resume_token"]


async def test_refusals_of_the_asynchronous_client_are_typed(aio: AsyncClient) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        await aio.orders.CancelOrder(CancelOrderRequest(order_id="nobody", reason="x"))
    assert wrong.value.fields[0].field == "order_id"
    with pytest.raises(InvalidRequest):
        await anext(aiter(aio.queries.ListOrders(ListOrdersRequest(resume_token="mine"))))
    created = await aio.orders.CreateOrder(create_order(str(uuid.uuid4())))
    with pytest.raises(NotVisibleYet):
        await aio.queries.GetOrder(GetOrderRequest(order_id=created.order_id, min_version=9), timeout=2)


async def test_a_cancelled_call_is_cancelled(aio: AsyncClient) -> None:
    created = await aio.orders.CreateOrder(create_order(str(uuid.uuid4())))
    call = asyncio.ensure_future(aio.queries.GetOrder(GetOrderRequest(order_id=created.order_id, min_version=9)))
    done, _ = await asyncio.wait([call], timeout=0.2)
    assert not done
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


def test_a_repeat_with_the_request_id_of_an_error_or_of_ones_own_has_one_effect(client: Client) -> None:
    request = create_order(str(uuid.uuid4()), request_id=str(uuid.uuid4()))
    first = client.orders.CreateOrder(request)
    assert client.orders.CreateOrder(request) == first
    history = client.queries.GetOrderHistory(GetOrderHistoryRequest(order_id=first.order_id))
    assert sum(len(chunk.events) for chunk in history) == 1


def test_a_watch_goes_on_when_its_server_is_killed_and_misses_nothing(client: Client, system: System) -> None:
    who = str(uuid.uuid4())
    first = client.orders.CreateOrder(create_order(who)).order_id
    client.queries.GetOrder(GetOrderRequest(order_id=first))
    messages = client.watched(WatchOrdersRequest(filter=OrderFilter(customer_id=who)))
    assert next(each for each in messages if each.HasField("order")).order.order_id == first
    assert next(each for each in messages if each.HasField("caught_up"))
    system.stack.kill("query_service")
    second = client.orders.CreateOrder(create_order(who)).order_id
    system.stack.start("query_service")
    assert next(each for each in messages if each.HasField("order")).order.order_id == second


async def test_an_asynchronous_watch_goes_on_when_its_server_is_killed(aio: AsyncClient, system: System) -> None:
    who = str(uuid.uuid4())
    messages = aio.watched(WatchOrdersRequest(filter=OrderFilter(customer_id=who)))
    assert [each async for each in _until_caught_up(messages)] == []
    await asyncio.to_thread(system.stack.kill, "query_service")
    created = (await aio.orders.CreateOrder(create_order(who))).order_id
    await asyncio.to_thread(system.stack.start, "query_service")
    async for each in messages:
        if each.HasField("order"):
            assert each.order.order_id == created
            break
    await messages.aclose()  # type: ignore[attr-defined]


async def _until_caught_up(messages: AsyncIterator[object]) -> AsyncIterator[object]:
    async for each in messages:
        if each.HasField("caught_up"):  # type: ignore[attr-defined]
            return
        yield each
