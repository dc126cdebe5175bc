"""What a run tells of itself: every metric is a documented one, logs carry their trace, and nobody is named."""

import uuid
from collections.abc import Awaitable, Iterator

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from orderflow.common.v1 import address_pb2
from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import queries_pb2
from tests.support.eventually import eventually
from tests.support.metrics_table import documented
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.system import SERVICES, Clients, System, create_order

PROCESSES = {*SERVICES, "command_service.relay"}
MEASURED = {
    "rpc.server.call.duration",
    "orderflow.append.batch.size",
    "orderflow.relay.published",
    "orderflow.relay.lag.events",
    "messaging.process.duration",
    "orderflow.projection.lag.events",
    "orderflow.cache.lookups",
    "process.memory.usage",
}
PLANTED = {
    "name": "Xanthippe",
    "surname": "Quillfeather",
    "email": "xanthippe.q@quillfeather.example",
    "recipient": "Balthasar",
    "street": "Marzipanweg",
    "locality": "Kleinzwetschgau",
    "reason": "gossip about the neighbours",
}


@pytest.fixture(scope="module")
def tracer() -> Iterator[trace.Tracer]:
    """A client that samples its calls."""
    provider = TracerProvider()
    yield provider.get_tracer("client")
    provider.shutdown()


async def play_a_journey(clients: Clients) -> None:
    """An order of a customer whose names and address are known to no other test, with refusals of all kinds."""
    customer = await clients.customers.RegisterCustomer(
        customer_commands.RegisterCustomerRequest(
            request_id=str(uuid.uuid4()), name=f"{PLANTED['name']} {PLANTED['surname']}", email=PLANTED["email"]
        )
    )
    created = await clients.orders.CreateOrder(order_of(customer.customer_id))
    await clients.orders.CancelOrder(
        commands.CancelOrderRequest(request_id=str(uuid.uuid4()), order_id=created.order_id, reason=PLANTED["reason"])
    )
    await clients.queries.GetOrder(queries_pb2.GetOrderRequest(order_id=created.order_id, min_version=2))
    tokens = [created.consistency_token]
    async for _ in clients.queries.SearchOrders(
        queries_pb2.SearchOrdersRequest(query=PLANTED["name"], consistency_tokens=tokens)
    ):
        pass
    wrong = order_of(customer.customer_id)
    wrong.shipping_address.region_code = PLANTED["street"]
    await refused(clients.orders.CreateOrder(wrong))
    await refused(clients.orders.ShipOrder(commands.ShipOrderRequest(order_id=PLANTED["name"])))
    search = queries_pb2.SearchOrdersRequest(query=PLANTED["name"], order_by=PLANTED["surname"])
    await refused(clients.queries.SearchOrders(search).read())


async def refused(call: Awaitable[object]) -> None:
    """Returns when the call has been refused."""
    with pytest.raises(grpc.aio.AioRpcError):
        await call


def order_of(customer_id: str) -> commands.CreateOrderRequest:
    """An order whose address names people and places."""
    request = create_order(customer_id, product=f"Blue kettle {uuid.uuid4().hex}")
    request.shipping_address.CopyFrom(
        address_pb2.Address(
            recipient=PLANTED["recipient"],
            address_lines=[f"{PLANTED['street']} 5"],
            postal_code="10115",
            locality=PLANTED["locality"],
            region_code="DE",
        )
    )
    return request


async def test_every_metric_that_is_told_is_a_documented_one(clients: Clients, otlp: OtlpReceiver) -> None:
    await play_a_journey(clients)
    table = documented()

    async def told() -> bool:
        metrics = otlp.metrics()
        assert {each.name for each in metrics} >= MEASURED
        assert {each.service for each in metrics if each.name == "process.memory.usage"} >= PROCESSES
        return True

    await eventually(told, what="metrics of every process")
    for each in otlp.metrics():
        assert each.name in table, f"{each.service} tells of {each.name}"
        assert each.unit == table[each.name].unit, each.name
        assert each.attributes.keys() <= table[each.name].attributes, f"{each.name}: {each.attributes}"


async def test_nobody_is_named_in_spans_metrics_or_logs(
    system: System, clients: Clients, otlp: OtlpReceiver, tracer: trace.Tracer
) -> None:
    with tracer.start_as_current_span("journey") as journey:
        await play_a_journey(clients)
    trace_id = trace.format_trace_id(journey.get_span_context().trace_id)

    async def complete() -> bool:
        return {span.service for span in otlp.trace(trace_id)} >= PROCESSES

    await eventually(complete, what="spans of every process")
    measured = len(otlp.metrics())

    async def measured_since() -> bool:
        return len(otlp.metrics()) > measured

    await eventually(measured_since, what="the metrics of the journey")
    assert {each.service for each in otlp.logs()} >= PROCESSES
    outputs = {f"OTLP request {number}": str(each) for number, each in enumerate(otlp.requests())}
    outputs |= {name: system.stack.log(name).read_text() for name in SERVICES}
    found = {
        (place, secret)
        for place, text in outputs.items()
        for secret in PLANTED.values()
        if secret.lower() in text.lower()
    }
    assert not found
