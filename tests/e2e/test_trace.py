"""One trace joins everything that a command sets off, across four processes."""

import uuid
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from orderflow.orders.v1 import commands_pb2 as orders_commands
from orderflow.orders.v1 import queries_pb2
from service_kit import consistency_token
from tests.support.eventually import eventually
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.system import Clients, create_order

COMMAND, RELAY, PROJECTOR = "command_service", "command_service.relay", "projector"
EXPECTED = (
    (COMMAND, "orderflow.orders.v1.OrderCommandService/CreateOrder"),
    (COMMAND, "handle CreateOrderRequest"),
    (COMMAND, "decide"),
    (COMMAND, "append event_store"),
    (COMMAND, "orderflow.customers.v1.CustomerService/BatchGetCustomers"),
    (RELAY, "send orderflow.orders.events.v1"),
    (PROJECTOR, "process orderflow.orders.events.v1"),
    (PROJECTOR, "bulk"),
)


@pytest.fixture(scope="module")
def tracer() -> Iterator[trace.Tracer]:
    """A client that samples its calls."""
    provider = TracerProvider()
    yield provider.get_tracer("client")
    provider.shutdown()


def _one(spans: list[ReceivedSpan], service: str, name: str) -> ReceivedSpan:
    found = [span for span in spans if span.service == service and span.name.startswith(name)]
    assert len(found) == 1, f"{service}: {name}: {found} in {spans}"
    return found[0]


async def test_one_trace_leads_from_the_clients_call_to_the_indexed_document(
    clients: Clients, otlp: OtlpReceiver, tracer: trace.Tracer
) -> None:
    customer_id = str(uuid.uuid4())  # a registered one may be known to the projector, which then asks nobody
    with tracer.start_as_current_span("checkout") as checkout:
        created = await clients.orders.CreateOrder(create_order(customer_id))
    trace_id = trace.format_trace_id(checkout.get_span_context().trace_id)

    async def complete() -> list[ReceivedSpan]:
        spans = otlp.trace(trace_id)
        for service, name in EXPECTED:
            _one(spans, service, name)
        return spans

    spans = await eventually(complete, what="the whole trace")
    server, handling, deciding, appending, lookup, sending, processing, indexing = (
        _one(spans, service, name) for service, name in EXPECTED
    )
    assert handling.parent_id == server.span_id
    assert deciding.parent_id == handling.span_id
    assert appending.parent_id == handling.span_id
    assert sending.parent_id == appending.span_id
    assert processing.parent_id == sending.span_id
    by_id = {span.span_id: span for span in spans}
    for last in (indexing, lookup):
        assert processing.span_id in _ancestors(last, by_id), f"{last} is not below {processing}"
    assert server.attributes["rpc.system.name"] == "grpc"
    assert server.attributes["rpc.response.status_code"] == "OK"
    assert handling.attributes["orderflow.command.type"] == "orderflow.orders.v1.CreateOrderRequest"
    assert handling.attributes["orderflow.customer.id"] == customer_id
    assert handling.attributes["orderflow.order.item_count"] == 1
    assert appending.attributes["db.system.name"] == "postgresql"
    assert appending.attributes["db.collection.name"] == "event_store"
    assert appending.attributes["orderflow.event.count"] == 1
    assert sending.attributes["messaging.system"] == "kafka"
    assert processing.attributes["orderflow.order.id"] == created.order_id
    assert indexing.attributes["db.system.name"] == "elasticsearch"


async def test_the_callers_decision_not_to_record_travels_to_the_projector(
    clients: Clients, otlp: OtlpReceiver, tracer: trace.Tracer
) -> None:
    customer_id = str(uuid.uuid4())
    refused = trace.SpanContext(uuid.uuid4().int, uuid.uuid4().int >> 64, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(refused)):
        unrecorded = await clients.orders.CreateOrder(create_order(customer_id))
    with tracer.start_as_current_span("recorded") as recorded:
        await clients.orders.ConfirmOrder(
            orders_commands.ConfirmOrderRequest(request_id=str(uuid.uuid4()), order_id=unrecorded.order_id)
        )
    token = consistency_token.decode(unrecorded.consistency_token, field="").traceparent
    assert token.split("-")[1] == trace.format_trace_id(refused.trace_id)
    assert token.endswith("-00")
    recorded_id = trace.format_trace_id(recorded.get_span_context().trace_id)

    async def next_is_indexed() -> bool:
        return bool(_one(otlp.trace(recorded_id), PROJECTOR, "process"))  # it ends after that of the event before

    await eventually(next_is_indexed, what="the order's next event in the index")
    assert otlp.trace(trace.format_trace_id(refused.trace_id)) == []
    told = [
        span for span in otlp.all() if span.attributes.get("orderflow.event.type") == "orderflow.orders.v1.OrderCreated"
    ]
    assert not [span for span in told if span.attributes.get("orderflow.order.id") == unrecorded.order_id]


async def test_a_query_with_a_token_links_to_the_commands_trace(
    clients: Clients, otlp: OtlpReceiver, tracer: trace.Tracer
) -> None:
    with tracer.start_as_current_span("command") as command:
        created = await clients.orders.CreateOrder(create_order(str(uuid.uuid4())))
    with tracer.start_as_current_span("query") as query:
        await clients.queries.GetOrder(
            queries_pb2.GetOrderRequest(order_id=created.order_id, consistency_tokens=[created.consistency_token])
        )
    query_trace = trace.format_trace_id(query.get_span_context().trace_id)
    command_trace = trace.format_trace_id(command.get_span_context().trace_id)

    async def linked() -> bool:
        span = _one(otlp.trace(query_trace), "query_service", "orderflow.orders.v1.OrderQueryService/GetOrder")
        assert "orderflow.cache.hit" in span.attributes
        return [link.trace_id.hex() for link in span.span.links] == [command_trace]

    await eventually(linked, what="the link")


def _ancestors(span: ReceivedSpan, by_id: dict[str, ReceivedSpan]) -> list[str]:
    found = []
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        found.append(span.span_id)
    return found
