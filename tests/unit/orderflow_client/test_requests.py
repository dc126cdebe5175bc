import uuid

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from orderflow.orders.v1.commands_pb2 import AddItemResponse, ConfirmOrderRequest
from orderflow.orders.v1.queries_pb2 import GetOrderRequest
from orderflow_client import requests
from orderflow_client.requests import completed, traced
from orderflow_client.tokens import Tokens


def test_a_command_without_a_request_id_gets_a_uuid_and_the_callers_message_stays_as_it_is() -> None:
    given = ConfirmOrderRequest(order_id="o")
    sent = completed(given, Tokens())
    assert str(uuid.UUID(sent.request_id)) == sent.request_id
    assert sent.order_id == "o"
    assert not given.request_id
    assert completed(given, Tokens()).request_id != sent.request_id


def test_a_request_id_of_the_callers_own_is_kept() -> None:
    assert completed(ConfirmOrderRequest(request_id="mine"), Tokens()).request_id == "mine"


def test_a_query_gets_its_tokens() -> None:
    tokens = Tokens()
    tokens.remember(AddItemResponse(order_id="o", consistency_token="token"))
    assert completed(GetOrderRequest(order_id="o"), tokens).consistency_tokens == ["token"]


def test_the_current_trace_is_passed_unless_the_caller_passes_one() -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("call") as span:
        sent = dict(traced([("other", "kept")]))
        here = span.get_span_context()
        ids = f"00-{trace.format_trace_id(here.trace_id)}-{trace.format_span_id(here.span_id)}-"
        assert str(sent["traceparent"]).startswith(ids)
        assert sent["other"] == "kept"
        assert traced([("traceparent", "mine")]) == [("traceparent", "mine")]


def test_without_opentelemetry_metadata_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "propagate", None)
    assert traced(None) == []
