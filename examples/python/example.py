"""An order in Python: created once whatever breaks, seen at once, listed, refused, in one trace."""

import os
import uuid

from google.type.money_pb2 import Money
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from orderflow.common.v1.address_pb2 import Address
from orderflow.orders.v1.commands_pb2 import CreateOrderRequest, DeliverOrderRequest
from orderflow.orders.v1.order_pb2 import OrderItem
from orderflow.orders.v1.queries_pb2 import GetOrderHistoryRequest, GetOrderRequest, ListOrdersRequest, OrderFilter
from orderflow_client import Client, InvalidRequest, RefusedByState

COMMAND = os.environ.get("ORDERFLOW_COMMAND_ADDRESS", "127.0.0.1:50051")
QUERY = os.environ.get("ORDERFLOW_QUERY_ADDRESS", "127.0.0.1:50052")


def main() -> None:
    """Plays it with a server on this machine."""
    trace.set_tracer_provider(TracerProvider())  # add an exporter to see the spans
    customer_id = str(uuid.uuid4())
    order = CreateOrderRequest(
        request_id=str(uuid.uuid4()),  # a retry, or a repeat of yours, has one effect and gets the same answer
        customer_id=customer_id,
        items=[
            OrderItem(
                sku="TEA-1",
                product_name="Green tea",
                quantity=3,
                unit_price=Money(currency_code="EUR", units=4, nanos=500_000_000),
            )
        ],
        shipping_address=Address(recipient="Zoë", address_lines=["Street 1"], locality="Berlin", region_code="DE"),
    )
    # The client takes retries and deadlines from the shipped service config; this call's own deadline is shorter.
    with Client(command=COMMAND, query=QUERY) as client:
        with trace.get_tracer("example").start_as_current_span("order tea") as span:  # the server continues this trace
            created = client.orders.CreateOrder(order, timeout=10)
            trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        print("created", created.order_id)

        # The client passes the answer's consistency_token: the query waits until it sees the command.
        seen = client.queries.GetOrder(GetOrderRequest(order_id=created.order_id)).order
        print("seen at version", seen.version)

        # Calls again with the last resume_token where the stream breaks.
        mine = ListOrdersRequest(filter=OrderFilter(customer_id=customer_id))
        for chunk in client.resumed(client.queries.ListOrders, mine):
            print("listed", [each.order_id for each in chunk.orders])

        try:
            client.orders.DeliverOrder(DeliverOrderRequest(order_id=created.order_id))
        except RefusedByState as refused:  # PreconditionFailure, and ErrorInfo's reason and metadata
            print(refused.reason, refused.violations[0].subject, refused.metadata["allowed_commands"])
        try:
            client.orders.CreateOrder(CreateOrderRequest(customer_id="nobody"))
        except InvalidRequest as wrong:  # BadRequest
            print(wrong.reason, [each.field for each in wrong.fields])

        [history] = client.queries.GetOrderHistory(GetOrderHistoryRequest(order_id=created.order_id))
        assert history.events[0].trace_id == trace_id  # noqa: S101
        print("in trace", trace_id)


if __name__ == "__main__":
    main()
