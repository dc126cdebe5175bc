"""Recorded events as Kafka messages and back, by CloudEvents' Kafka binding in binary mode."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.events.v1.event_log_pb2 import EventMetadata, RecordedEvent
from service_kit.cloudevents import NotAnEvent, event_of, headers_of, text_headers

AGGREGATE_ID = "0d9f3b52-7c1e-4e0b-9a53-6f2f7f1d9c11"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def recorded(*, position: int = 42, log_shard: int = 3, version: int = 7, data: bytes = b"\x0a\x00") -> RecordedEvent:
    event = RecordedEvent(
        position=position,
        log_shard=log_shard,
        aggregate_type="order",
        aggregate_id=AGGREGATE_ID,
        version=version,
        event_type="orderflow.orders.v1.OrderShipped",
        event_data=data,
    )
    event.record_time.FromDatetime(datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC))
    return event


def headers(**changes: str | None) -> list[tuple[str, bytes | str | None]]:
    """The headers of an event, with some of them other or missing."""
    texts: dict[str, str | bytes | None] = dict(headers_of(recorded(), traceparent="", tracestate=""))
    texts.update({name.replace("content_type", "content-type"): value for name, value in changes.items()})
    return [(name, value) for name, value in texts.items() if value is not None]


def test_the_headers_are_those_of_the_contract() -> None:
    assert dict(headers_of(recorded(), traceparent=TRACEPARENT, tracestate="vendor=1")) == {
        "ce_specversion": "1.0",
        "ce_id": f"{AGGREGATE_ID}/7",
        "ce_type": "orderflow.orders.v1.OrderShipped",
        "ce_source": "/orderflow/event-store/3",
        "ce_subject": AGGREGATE_ID,
        "ce_time": "2026-03-01T12:00:00.000001+00:00",
        "ce_aggregatetype": "order",
        "ce_aggregateversion": "7",
        "ce_position": "42",
        "content-type": "application/protobuf",
        "traceparent": TRACEPARENT,
        "tracestate": "vendor=1",
    }


def test_without_a_trace_there_are_no_trace_headers() -> None:
    names = {name for name, _ in headers_of(recorded(), traceparent="", tracestate="")}
    assert names.isdisjoint({"traceparent", "tracestate"})


@given(
    st.builds(
        recorded,
        position=st.integers(1, 2**63 - 1),
        log_shard=st.integers(0, 1023),
        version=st.integers(1, 2**63 - 1),
        data=st.binary(),
    )
)
def test_an_event_survives_the_way_through_kafka(event: RecordedEvent) -> None:
    sent = headers_of(event, traceparent=TRACEPARENT, tracestate="vendor=1")
    expected = RecordedEvent()
    expected.CopyFrom(event)
    expected.metadata.CopyFrom(EventMetadata(traceparent=TRACEPARENT, tracestate="vendor=1"))
    assert event_of(event.event_data, sent) == expected


def test_an_event_without_fields_is_empty_bytes() -> None:
    assert event_of(b"", headers()).event_data == b""


def test_a_null_value_is_no_event() -> None:
    with pytest.raises(NotAnEvent):
        event_of(None, headers())


@pytest.mark.parametrize(
    "name", ["ce_position", "ce_source", "ce_aggregatetype", "ce_subject", "ce_aggregateversion", "ce_type", "ce_time"]
)
def test_a_message_without_a_header_is_no_event_and_says_which(name: str) -> None:
    with pytest.raises(NotAnEvent, match=name):
        event_of(b"", headers(**{name: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_position", "first"),
        ("ce_position", ""),
        ("ce_position", str(2**63)),
        ("ce_aggregateversion", "1.0"),
        ("ce_source", "/orderflow/event-store"),
        ("ce_source", f"/orderflow/event-store/{2**31}"),
        ("ce_time", "yesterday"),
        ("ce_time", "0001-01-01T00:00:00+14:00"),
        ("ce_time", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_malformed_header_is_no_event(name: str, value: str) -> None:
    with pytest.raises(NotAnEvent):
        event_of(b"", headers(**{name: value}))


@given(st.dictionaries(st.sampled_from([name for name, _ in headers()]), st.text(max_size=40)))
def test_whatever_the_headers_say_it_is_an_event_or_not_an_event(values: dict[str, str]) -> None:
    try:
        event_of(b"", headers(**values))
    except NotAnEvent:
        return


def test_the_first_of_a_repeated_header_counts_and_undecodable_bytes_are_replaced() -> None:
    assert text_headers([("a", b"1"), ("a", b"2"), ("b", b"\xff"), ("c", None), ("d", "text")]) == {
        "a": "1",
        "b": "\N{REPLACEMENT CHARACTER}",
        "c": "",
        "d": "text",
    }
