"""What the query service tells of its work: spans, links and the cache's hits and misses."""

from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import an_order
from tests.support.eventually import eventually
from tests.support.tracing import tracer_provider

_SERVICE = "orderflow.orders.v1.OrderQueryService"
_TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
_TRACEPARENT = f"00-{_TRACE_ID:032x}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def metric_reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return reader


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


async def _server_span(spans: InMemorySpanExporter, method: str) -> ReadableSpan:
    """The newest server span of a method; it ends a moment after the client has its answer."""

    async def ended() -> ReadableSpan | None:
        found = [each for each in spans.get_finished_spans() if each.name == f"{_SERVICE}/{method}"]
        return found[-1] if found else None

    return await eventually(ended, within=5)


def _children(spans: InMemorySpanExporter, parent: ReadableSpan) -> list[ReadableSpan]:
    assert parent.context
    return [
        each for each in spans.get_finished_spans() if each.parent and each.parent.span_id == parent.context.span_id
    ]


async def test_a_get_says_whether_the_cache_had_the_order(
    metric_reader: InMemoryMetricReader, spans: InMemorySpanExporter, read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service()
    order = an_order()
    await read_model.write([order])
    for hit, operations in ((False, ["get"]), (True, [])):
        spans.clear()
        await queries.get(order.order_id)
        span = await _server_span(spans, "GetOrder")
        assert span.attributes
        assert span.attributes["orderflow.query.type"] == "GetOrder"
        assert span.attributes["orderflow.order.id"] == order.order_id
        assert span.attributes["orderflow.cache.hit"] is hit
        assert [
            each.attributes["db.operation.name"] for each in _children(spans, span) if each.attributes
        ] == operations
    assert _lookups(metric_reader) == {True: 1, False: 1}


async def test_a_list_leaves_a_span_for_each_call_to_elasticsearch(
    spans: InMemorySpanExporter, read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service()
    await read_model.put(*(an_order() for _ in range(3)))
    spans.clear()
    await queries.list_()
    span = await _server_span(spans, "ListOrders")
    assert span.attributes
    assert span.attributes["orderflow.query.type"] == "ListOrders"
    assert span.attributes["orderflow.order.count"] == 3
    children = _children(spans, span)
    assert [each.name for each in children] == [
        f"{operation} {read_model.alias}" for operation in ("open_point_in_time", "search", "close_point_in_time")
    ]
    for child in children:
        assert child.kind == SpanKind.CLIENT
        assert child.attributes
        assert child.attributes["db.system.name"] == "elasticsearch"
        assert child.attributes["db.collection.name"] == read_model.alias
    assert not any("elasticsearch-api" in str(each.instrumentation_scope) for each in spans.get_finished_spans())


async def test_a_querys_span_links_to_the_trace_of_each_token(
    spans: InMemorySpanExporter, read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service()
    order = an_order()
    await read_model.put(order)
    tokens = [token("order", order.order_id, 1, _TRACEPARENT), token("order", order.order_id, 1, "broken")]
    await queries.get(order.order_id, consistency_tokens=tokens)
    await queries.list_(consistency_tokens=tokens)
    for method in ("GetOrder", "ListOrders"):
        span = await _server_span(spans, method)
        assert [link.context.trace_id for link in span.links] == [_TRACE_ID]


async def test_a_refused_query_names_its_reason(spans: InMemorySpanExporter, queries: Queries) -> None:
    await refusal_of(queries.list_(resume_token="x"))
    span = await _server_span(spans, "ListOrders")
    assert span.attributes
    assert span.attributes["orderflow.error.reason"] == "TOKEN_INVALID"


def _lookups(reader: InMemoryMetricReader) -> dict[bool, int | float]:
    data = reader.get_metrics_data()
    assert data
    counted: dict[bool, int | float] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "orderflow.cache.lookups":
                    for point in metric.data.data_points:
                        assert isinstance(point, NumberDataPoint)
                        assert point.attributes
                        counted[bool(point.attributes["orderflow.cache.hit"])] = point.value
    return counted
