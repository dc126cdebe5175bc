"""`ordersctl trace show`, against what Jaeger 2 answers."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ordersctl.exit_codes import REFUSED, UNAVAILABLE, USAGE
from tests.unit.ordersctl.conftest import Run

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_BEGIN = 1_780_000_000_000_000_000


def _span(id_: str, parent: str, name: str, at_ms: int, ms: int, **more: Any) -> Mapping[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": id_,
        "parentSpanId": parent,
        "name": name,
        "kind": 2,
        "startTimeUnixNano": str(_BEGIN + at_ms * 1_000_000),
        "endTimeUnixNano": str(_BEGIN + (at_ms + ms) * 1_000_000),
        **more,
    }


def _resource(service: str, *spans: Mapping[str, Any]) -> Mapping[str, Any]:
    named = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resource": named, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}


def _attribute(key: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"key": key, "value": value}


_FOUND = {
    "result": {
        "resourceSpans": [
            _resource("projector", _span("c", "b", "project orders", 20, 5, links=[{"traceId": "0f" * 16}])),
            _resource(
                "command_service",
                _span(
                    "b",
                    "a",
                    "append event_store",
                    2,
                    3,
                    attributes=[_attribute("orderflow.event.count", {"intValue": "2"})],
                ),
                _span(
                    "a",
                    "",
                    "OrderCommandService/CreateOrder",
                    0,
                    10,
                    status={"code": 2},
                    attributes=[_attribute("rpc.response.status_code", {"stringValue": "UNAVAILABLE"})],
                ),
            ),
        ]
    }
}


class Jaeger:
    """Answers each request in one way, over HTTP; keeps the paths it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(_FOUND).encode()
        self.paths: list[str] = []
        jaeger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                jaeger.paths.append(self.path)
                self.send_response(jaeger.status)
                self.end_headers()
                self.wfile.write(jaeger.body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def jaeger() -> Iterator[Jaeger]:
    jaeger = Jaeger()
    serving = threading.Thread(target=jaeger.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield jaeger
    jaeger.server.shutdown()
    serving.join()
    jaeger.server.server_close()


def test_a_trace_is_drawn_as_a_tree_with_what_went_wrong(run: Run, jaeger: Jaeger) -> None:
    ran = run("--table", "trace", "show", TRACE.upper(), "--jaeger", jaeger.url)
    assert ran.exit_code == 0
    assert jaeger.paths == [f"/api/v3/traces/{TRACE}"]
    title, create, append, project, link = ran.stdout.splitlines()
    assert title == f"trace {TRACE}  3 spans of 2 services, 25 ms"
    assert (
        create.lstrip("└─ ")
        == "OrderCommandService/CreateOrder  command_service  10.0 ms at 0.0  status_code=UNAVAILABLE"
    )
    assert append.lstrip("└─ ") == "append event_store  command_service  3.0 ms at 2.0  count=2"
    assert project.lstrip("└─ ") == "project orders  projector  5.0 ms at 20.0"
    depths = [len(line) - len(line.lstrip("└─ ")) for line in (create, append, project)]
    assert depths == sorted(set(depths))
    assert link == f"{jaeger.url}/trace/{TRACE}"


def test_a_line_that_is_longer_than_the_terminal_is_whole(run: Run, jaeger: Jaeger) -> None:
    name = "a long name " * 20
    jaeger.body = json.dumps({"result": {"resourceSpans": [_resource("x", _span("a", "", name, 0, 7))]}}).encode()
    _, line, link = run("--table", "trace", "show", TRACE, "--jaeger", jaeger.url).stdout.splitlines()
    assert line.endswith(f"{name}  x  7.0 ms at 0.0")
    assert link.startswith(jaeger.url)


def test_programs_get_an_object_for_each_span_in_the_order_of_their_beginning(run: Run, jaeger: Jaeger) -> None:
    ran = run("trace", "show", TRACE, "--jaeger", jaeger.url)
    spans = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [each["span_id"] for each in spans] == ["a", "b", "c"]
    assert [each["parent_span_id"] for each in spans] == ["", "a", "b"]
    assert [each["error"] for each in spans] == [True, False, False]
    assert spans[1]["attributes"] == {"orderflow.event.count": 2}
    assert spans[1]["duration_ms"] == 3
    assert spans[2]["links"] == ["0f" * 16]


def test_spans_that_are_each_others_parents_hang_nothing_up(run: Run, jaeger: Jaeger) -> None:
    circle = _resource("x", _span("a", "b", "one", 0, 1), _span("b", "a", "two", 0, 1), _span("c", "", "three", 0, 1))
    jaeger.body = json.dumps({"result": {"resourceSpans": [circle]}}).encode()
    assert "three" in run("--table", "trace", "show", TRACE, "--jaeger", jaeger.url).stdout


def test_a_trace_that_has_not_come_is_said_to_be_unknown(run: Run, jaeger: Jaeger) -> None:
    jaeger.status = 404
    ran = run("--table", "trace", "show", TRACE, "--jaeger", jaeger.url)
    assert ran.exit_code == REFUSED
    assert "may not have come yet" in ran.stderr


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"<html>"), (200, b'{"data": []}'), (200, b"[]")])
def test_what_is_not_jaeger_is_said_to_be_none(run: Run, jaeger: Jaeger, status: int, body: bytes) -> None:
    jaeger.status, jaeger.body = status, body
    ran = run("--table", "trace", "show", TRACE, "--jaeger", jaeger.url)
    assert ran.exit_code == UNAVAILABLE
    assert jaeger.url in ran.stderr
    assert "make jaeger" in ran.stderr


def test_a_jaeger_that_is_away_is_said_to_be(run: Run, jaeger: Jaeger) -> None:
    ran = run("--table", "trace", "show", TRACE, "--jaeger", "http://127.0.0.1:9")
    assert ran.exit_code == UNAVAILABLE
    assert "cannot be reached" in ran.stderr
    assert not jaeger.paths


@pytest.mark.parametrize("arguments", [("4bf9",), ("g" * 32,), (TRACE, "--jaeger", "jaeger:16686")])
def test_what_is_no_trace_id_or_address_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("trace", "show", *arguments).exit_code == USAGE
