"""An order's journey through every server, as a client lives it."""

import uuid

import grpc
import pytest

from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import order_pb2, queries_pb2, views_pb2
from tests.support.eventually import eventually
from tests.support.system import Clients, create_order, euros, register_customer, rpc_reason


async def _view(clients: Clients, order_id: str, token: str) -> views_pb2.OrderView:
    got = await clients.queries.GetOrder(queries_pb2.GetOrderRequest(order_id=order_id, consistency_tokens=[token]))
    return got.order


async def _listed(clients: Clients, request: queries_pb2.ListOrdersRequest) -> list[str]:
    return [order.order_id async for chunk in clients.queries.ListOrders(request) for order in chunk.orders]


async def _found(clients: Clients, request: queries_pb2.SearchOrdersRequest) -> list[str]:
    return [order.order_id async for chunk in clients.queries.SearchOrders(request) for order in chunk.orders]


async def test_an_order_lives_its_whole_life_and_every_step_is_seen(clients: Clients) -> None:
    customer = await clients.customers.RegisterCustomer(register_customer())
    created = await clients.orders.CreateOrder(create_order(customer.customer_id))
    assert created.status == order_pb2.ORDER_STATUS_PENDING
    assert created.total_amount == euros(49, 90)
    order_id = created.order_id
    pay = commands.RecordPaymentRequest(order_id=order_id, payment_reference="P1", amount=euros(49, 90))
    confirm = commands.ConfirmOrderRequest(order_id=order_id)
    ship = commands.ShipOrderRequest(order_id=order_id, tracking_number="TRACK-1")
    deliver = commands.DeliverOrderRequest(order_id=order_id)
    paid = await clients.orders.RecordPayment(pay)
    assert (paid.version, paid.status) == (2, order_pb2.ORDER_STATUS_PENDING)
    confirmed = await clients.orders.ConfirmOrder(confirm)
    view = await _view(clients, order_id, confirmed.consistency_token)
    assert (view.version, view.status) == (3, order_pb2.ORDER_STATUS_CONFIRMED)
    shipped = await clients.orders.ShipOrder(ship)
    view = await _view(clients, order_id, shipped.consistency_token)
    assert (view.version, view.status) == (4, order_pb2.ORDER_STATUS_SHIPPED)
    delivered = await clients.orders.DeliverOrder(deliver)
    view = await _view(clients, order_id, delivered.consistency_token)
    assert (view.version, view.status) == (5, order_pb2.ORDER_STATUS_DELIVERED)
    assert view.customer_name == "Zoë Müller"
    assert view.tracking_number == "TRACK-1"
    assert view.address_full == "Zoë Müller, Hauptstraße 5, 10115 Berlin, DE"
    assert view.paid_amount == euros(49, 90)
    assert view.HasField("deliver_time")


async def test_lists_and_searches_show_a_command_whose_token_they_are_given(clients: Clients) -> None:
    customer = await clients.customers.RegisterCustomer(register_customer("Łukasz Żółć"))
    word = f"samovar{uuid.uuid4().hex[:8]}"
    created = [
        await clients.orders.CreateOrder(create_order(customer.customer_id, product=f"Grand {word}")) for _ in range(3)
    ]
    newest_first = [each.order_id for each in reversed(created)]
    tokens = [each.consistency_token for each in created]
    own = queries_pb2.OrderFilter(customer_id=customer.customer_id)
    assert await _listed(clients, queries_pb2.ListOrdersRequest(filter=own, consistency_tokens=tokens)) == newest_first
    found = await _found(clients, queries_pb2.SearchOrdersRequest(query=f"{word.upper()} lukasz zolc"))
    assert sorted(found) == sorted(newest_first)


async def test_a_renamed_customer_is_shown_in_their_orders(clients: Clients) -> None:
    customer = await clients.customers.RegisterCustomer(register_customer("Before"))
    created = await clients.orders.CreateOrder(create_order(customer.customer_id))
    await _view(clients, created.order_id, created.consistency_token)
    await clients.customers.UpdateCustomer(
        customer_commands.UpdateCustomerRequest(customer_id=customer.customer_id, name="After")
    )

    async def renamed() -> bool:
        return (await _view(clients, created.order_id, created.consistency_token)).customer_name == "After"

    await eventually(renamed, what="the new name")


async def test_an_order_of_an_unknown_customer_is_shown_at_once_and_completed_later(clients: Clients) -> None:
    customer_id = str(uuid.uuid4())
    created = await clients.orders.CreateOrder(create_order(customer_id))
    view = await _view(clients, created.order_id, created.consistency_token)
    assert (view.customer_name, view.enrichment_state) == ("", views_pb2.ENRICHMENT_STATE_PENDING)
    registration = register_customer("Late Comer")
    registration.customer_id = customer_id
    await clients.customers.RegisterCustomer(registration)

    async def completed() -> bool:
        view = await _view(clients, created.order_id, created.consistency_token)
        return view.customer_name == "Late Comer" and view.enrichment_state == views_pb2.ENRICHMENT_STATE_COMPLETE

    await eventually(completed, what="the customer's name")


async def test_a_version_that_does_not_come_is_answered_within_the_deadline(clients: Clients) -> None:
    customer = await clients.customers.RegisterCustomer(register_customer())
    created = await clients.orders.CreateOrder(create_order(customer.customer_id))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await clients.queries.GetOrder(queries_pb2.GetOrderRequest(order_id=created.order_id, min_version=9), timeout=2)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert rpc_reason(refused.value) == "EVENTUAL_CONSISTENCY_TIMEOUT"


async def test_a_refused_command_changes_nothing_and_says_what_is_allowed(clients: Clients) -> None:
    customer = await clients.customers.RegisterCustomer(register_customer())
    created = await clients.orders.CreateOrder(create_order(customer.customer_id))
    cancelled = await clients.orders.CancelOrder(
        commands.CancelOrderRequest(order_id=created.order_id, reason="changed my mind")
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await clients.orders.CancelOrder(commands.CancelOrderRequest(order_id=created.order_id, reason="again"))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert rpc_reason(refused.value) == "ALREADY_CANCELLED"
    view = await _view(clients, created.order_id, cancelled.consistency_token)
    assert (view.version, view.cancel_reason) == (2, "changed my mind")
