"""A plain OTLP receiver: keeps every span that the processes under test export."""

import threading
from concurrent import futures
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
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


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on a port of its own until closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: dict[str, list[ReceivedSpan]] = {}
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.stop(None).wait()

    def Export(
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.ServicerContext,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Keeps the spans by trace."""
        with self._lock:
            for resource in request.resource_spans:
                names = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        received = ReceivedSpan(names[0], span)
                        self._spans.setdefault(span.trace_id.hex(), []).append(received)
        return trace_service_pb2.ExportTraceServiceResponse()

    def all(self) -> list[ReceivedSpan]:
        """Every span that has come so far."""
        with self._lock:
            return [span for spans in self._spans.values() for span in spans]

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """The spans of a trace that have come so far."""
        with self._lock:
            return list(self._spans.get(trace_id, []))


def _value(value: Any) -> str | int | bool:
    kind = value.WhichOneof("value")
    found: str | int | bool = getattr(value, kind)
    return found
