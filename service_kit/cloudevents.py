"""Recorded events as Kafka messages: CloudEvents' Kafka binding in binary mode, and back.

Source: CloudEvents 1.0.2, Kafka Protocol Binding. The value is the event's stored bytes, unchanged.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from orderflow.events.v1 import event_log_pb2

_CONTENT_TYPE = "application/protobuf"
Headers = list[tuple[str, str | bytes | None]]


class NotAnEvent(ValueError):
    """A message lacks what every message of the relay carries."""


def source(log_shard: int) -> str:
    """The `ce_source` of a log shard; with `ce_id` it names an event for ever."""
    return f"/orderflow/event-store/{log_shard}"


def headers_of(event: event_log_pb2.RecordedEvent, *, traceparent: str, tracestate: str) -> Headers:
    """The message's headers; trace headers only where there is a trace."""
    return headers(
        event.position,
        event.log_shard,
        event.aggregate_type,
        event.aggregate_id,
        event.version,
        event.event_type,
        event.record_time.ToDatetime(tzinfo=UTC).isoformat(timespec="microseconds"),
        traceparent=traceparent,
        tracestate=tracestate,
    )


def headers(  # noqa: PLR0917 -- in the order of the log's columns
    position: int,
    log_shard: int,
    aggregate_type: str,
    aggregate_id: str,
    version: int,
    event_type: str,
    record_time: str,
    *,
    traceparent: str,
    tracestate: str,
) -> Headers:
    """The headers of an event that is known by its parts.

    Args:
        record_time: in RFC 3339, with microseconds.
    """
    made: Headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", f"{aggregate_id}/{version}"),
        ("ce_type", event_type),
        ("ce_source", source(log_shard)),
        ("ce_subject", aggregate_id),
        ("ce_time", record_time),
        ("ce_aggregatetype", aggregate_type),
        ("ce_aggregateversion", str(version)),
        ("ce_position", str(position)),
        ("content-type", _CONTENT_TYPE),
    ]
    if traceparent:
        made.append(("traceparent", traceparent))
    if tracestate:
        made.append(("tracestate", tracestate))
    return made


def event_of(value: bytes | None, headers: Sequence[tuple[str, bytes | str | None]]) -> event_log_pb2.RecordedEvent:
    """The event that a message carries.

    Raises:
        NotAnEvent: a header is missing or malformed, or the value is null (an event without fields is empty
            bytes, never null).
    """
    texts = text_headers(headers)
    if value is None:
        raise NotAnEvent("the value is null")
    try:
        event = event_log_pb2.RecordedEvent(
            position=int(texts["ce_position"]),
            log_shard=int(texts["ce_source"].rpartition("/")[2]),
            aggregate_type=texts["ce_aggregatetype"],
            aggregate_id=texts["ce_subject"],
            version=int(texts["ce_aggregateversion"]),
            event_type=texts["ce_type"],
            event_data=value,
        )
        event.record_time.FromDatetime(datetime.fromisoformat(texts["ce_time"]))
    except (KeyError, ValueError, OverflowError) as error:
        raise NotAnEvent(f"header {error}") from error
    event.metadata.traceparent = texts.get("traceparent", "")
    event.metadata.tracestate = texts.get("tracestate", "")
    return event


def text_headers(headers: Sequence[tuple[str, bytes | str | None]]) -> Mapping[str, str]:
    """Header values as text; the first of a repeated name counts, undecodable bytes are replaced."""
    texts: dict[str, str] = {}
    for name, value in headers:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        texts.setdefault(name, text or "")
    return texts
