"""A plain OTLP receiver: keeps every span, metric and log record that the processes under test export."""

import threading
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2


class ReceivedSpan:
    """A span and the service that made it."""

    def __init__(self, service: str, span: trace_pb2.Span) -> None:
        self.service = service
        self.span = span
        self.name = span.name
        self.span_id = span.span_id.hex()
        self.parent_id = span.parent_span_id.hex()
        self.attributes = {each.key: _value(each.value) for each in span.attributes}

    def __repr__(self) -> str:
        return f"{self.service}: {self.name}"


class ReceivedMetric:
    """A point of a metric and the service that measured it."""

    def __init__(self, service: str, name: str, unit: str, point: Any) -> None:
        self.service = service
        self.name = name
        self.unit = unit
        self.point = point
        self.attributes = {each.key: _value(each.value) for each in point.attributes}


class ReceivedLog:
    """A log record and the service that made it."""

    def __init__(self, service: str, record: logs_pb2.LogRecord) -> None:
        self.service = service
        self.text = record.body.string_value
        self.severity = record.severity_text
        self.trace_id = record.trace_id.hex()
        self.span_id = record.span_id.hex()
        self.attributes = {each.key: _value(each.value) for each in record.attributes}


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on a port of its own until closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics = _Kept(metrics_service_pb2.ExportMetricsServiceResponse())
        self._logs = _Kept(logs_service_pb2.ExportLogsServiceResponse())
        self._traces: list[Message] = []
        self._forward: grpc.Channel | None = None
        self._spans: dict[str, list[ReceivedSpan]] = {}
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(self._metrics, self._server)  # type: ignore[no-untyped-call]
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(self._logs, self._server)  # type: ignore[no-untyped-call]
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.stop(None).wait()
        if self._forward is not None:
            self._forward.close()

    def Export(
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.ServicerContext,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Keeps the spans by trace."""
        if self._forward is not None:
            trace_service_pb2_grpc.TraceServiceStub(self._forward).Export(request)  # type: ignore[no-untyped-call]
        with self._lock:
            self._traces.append(request)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        received = ReceivedSpan(_service(resource.resource), span)
                        self._spans.setdefault(span.trace_id.hex(), []).append(received)
        return trace_service_pb2.ExportTraceServiceResponse()

    def forward_to(self, address: str) -> None:
        """Sends every span on, too; to nobody where the address is empty."""
        self._forward = grpc.insecure_channel(address) if address else None

    def all(self) -> list[ReceivedSpan]:
        """Every span that has come so far."""
        with self._lock:
            return [span for spans in self._spans.values() for span in spans]

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """The spans of a trace that have come so far."""
        with self._lock:
            return list(self._spans.get(trace_id, []))

    def metrics(self) -> list[ReceivedMetric]:
        """Every metric's points as often as they came."""
        return [
            ReceivedMetric(_service(resource.resource), metric.name, metric.unit, point)
            for request in list(self._metrics.requests)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in _points(metric)
        ]

    def logs(self) -> list[ReceivedLog]:
        """Every log record."""
        return [
            ReceivedLog(_service(resource.resource), record)
            for request in list(self._logs.requests)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def requests(self) -> list[Message]:
        """All that came, as it came."""
        with self._lock:
            return [*self._traces, *self._metrics.requests, *self._logs.requests]


class _Kept:
    """A service that keeps its requests."""

    def __init__(self, answer: Message) -> None:
        self.requests: list[Any] = []
        self._answer = answer

    def Export(self, request: Message, context: grpc.ServicerContext) -> Message:  # noqa: ARG002 -- as the stub
        """Keeps the request."""
        self.requests.append(request)
        return self._answer


def _service(resource: Any) -> str:
    return str(next(each.value.string_value for each in resource.attributes if each.key == "service.name"))


def _points(metric: metrics_pb2.Metric) -> Any:
    return getattr(metric, str(metric.WhichOneof("data"))).data_points


def _value(value: Any) -> str | int | bool:
    found: str | int | bool = getattr(value, value.WhichOneof("value"))
    return found
