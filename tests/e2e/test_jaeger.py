"""The real Jaeger has the whole journey: read back over its API, each span's parent, kind, service and attributes."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ordersctl.traces import Jaeger, Span
from tests.support.jaeger import needs_jaeger
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.system import System

CLIENT, COMMAND, RELAY, PROJECTOR = "ordersctl", "command_service", "command_service.relay", "projector"
INTERNAL, SERVER, OUTGOING, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
CREATE, LOOK_UP, OPEN = (
    "orderflow.orders.v1.OrderCommandService/CreateOrder",
    "orderflow.customers.v1.CustomerService/BatchGetCustomers",
    "orderflow.customers.v1.PersonalDataService/OpenPersonalData",
)
TOPIC = "orderflow.orders.events.v1"


@dataclass(frozen=True)
class Expected:
    """A span: where it stands, and what it says."""

    service: str
    name: str
    kind: int
    parent: tuple[str, str] | None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        """What other spans know it by."""
        return self.service, self.name


def _called(method: str) -> Mapping[str, Any]:
    return {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": "OK"}


WAY = (
    Expected(CLIENT, f"/{CREATE}", OUTGOING, None, {"rpc.system": "grpc", "rpc.method": "CreateOrder"}),
    Expected(COMMAND, CREATE, SERVER, (CLIENT, f"/{CREATE}"), _called(CREATE)),
    Expected(
        COMMAND,
        "handle CreateOrderRequest",
        INTERNAL,
        (COMMAND, CREATE),
        {"orderflow.command.type": "orderflow.orders.v1.CreateOrderRequest", "orderflow.order.item_count": 2},
    ),
    Expected(COMMAND, "decide", INTERNAL, (COMMAND, "handle CreateOrderRequest")),
    Expected(
        COMMAND,
        "append event_store",
        OUTGOING,
        (COMMAND, "handle CreateOrderRequest"),
        {
            "db.system.name": "postgresql",
            "db.collection.name": "event_store",
            "db.operation.name": "INSERT",
            "orderflow.event.count": 1,
            "orderflow.aggregate.version": 1,
            "orderflow.append.batch_size": 1,
        },
    ),
    Expected(
        RELAY,
        f"send {TOPIC}",
        PRODUCER,
        (COMMAND, "append event_store"),
        {"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.destination.name": TOPIC},
    ),
    Expected(
        PROJECTOR,
        f"process {TOPIC}",
        CONSUMER,
        (RELAY, f"send {TOPIC}"),
        {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": TOPIC,
            "orderflow.event.type": "orderflow.orders.v1.OrderCreated",
            "orderflow.projection.name": "orders",
        },
    ),
    Expected(PROJECTOR, "project orders", INTERNAL, (PROJECTOR, f"process {TOPIC}")),
    Expected(
        PROJECTOR,
        "bulk",
        OUTGOING,
        (PROJECTOR, "project orders"),
        {"db.system.name": "elasticsearch", "db.operation.name": "bulk"},
    ),
)
# The projector may know the customer already, from the event of the registration.
WHERE_NEEDED = (
    Expected(PROJECTOR, "enrich", INTERNAL, (PROJECTOR, "project orders")),
    Expected(PROJECTOR, f"/{LOOK_UP}", OUTGOING, (PROJECTOR, "enrich"), {"rpc.system": "grpc"}),
    Expected(COMMAND, LOOK_UP, SERVER, (PROJECTOR, f"/{LOOK_UP}"), _called(LOOK_UP)),
    Expected(PROJECTOR, f"/{OPEN}", OUTGOING, (PROJECTOR, "enrich"), {"rpc.system": "grpc"}),
    Expected(COMMAND, OPEN, SERVER, (PROJECTOR, f"/{OPEN}"), _called(OPEN)),
)


@pytest.fixture
def jaeger_url(system: System, otlp: OtlpReceiver) -> Iterator[str]:
    """Jaeger, which gets all that the processes send from now on."""
    system.stack.start("jaeger")
    otlp.forward_to(system.stack.address("jaeger_otlp"))
    yield f"http://{system.stack.address('jaeger')}"
    otlp.forward_to("")
    system.stack.stop("jaeger")


@needs_jaeger
async def test_jaeger_has_the_whole_way_of_an_order_and_the_demo_draws_it(
    system: System, otlp: OtlpReceiver, jaeger_url: str
) -> None:
    environment = {
        **os.environ,
        "ORDERFLOW_COMMAND_ADDRESS": system.stack.address("command_service"),
        "ORDERFLOW_QUERY_ADDRESS": system.stack.address("query_service"),
        "ORDERFLOW_PROJECTOR_ADDRESS": system.stack.address("projector"),
        "ORDERFLOW_JAEGER_URL": jaeger_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
    }
    ordersctl = Path(sys.executable).with_name("ordersctl")
    demo = partial(subprocess.run, [ordersctl, "--timeout", "25", "demo"], env=environment, timeout=110, check=False)
    done = await asyncio.to_thread(demo, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    drawn = re.search(r"^trace ([0-9a-f]{32})  [0-9]+ spans of [4-9] services", done.stdout, re.MULTILINE)
    assert drawn, done.stdout
    assert f"{jaeger_url}/trace/{drawn[1]}" in done.stdout
    assert "── append event_store  command_service" in done.stdout

    spans = await Jaeger(jaeger_url, 20).spans(drawn[1])
    places = {span.span_id: _place(span) for span in spans}
    assert len(set(places.values())) == len(spans), "no part of the way is told twice"
    expected = {each.place: each for each in (*WAY, *WHERE_NEEDED)}
    assert {each.place for each in WAY} <= set(places.values()) <= set(expected)
    for span in spans:
        wanted = expected[places[span.span_id]]
        assert places.get(span.parent_id) == wanted.parent, span
        assert span.kind == wanted.kind, span
        assert not span.is_error, span
        assert wanted.attributes.items() <= span.attributes.items(), span
    _assert_in_order(spans)


def _place(span: Span) -> tuple[str, str]:
    return span.service, "bulk" if span.name.startswith("bulk ") else span.name


def _assert_in_order(spans: Sequence[Span]) -> None:
    begins = {_place(span): span.start for span in spans}
    way = [begins[each.place] for each in WAY]
    assert way == sorted(way)
