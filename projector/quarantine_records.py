"""What is kept of a failure: the aggregate or message that it is about, and the message as it came."""

from collections.abc import Sequence
from typing import cast

from confluent_kafka import Message
from google.protobuf.json_format import MessageToJson

from event_schemas.aggregates import AGGREGATES
from event_schemas.event_types import UnknownEvent
from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.errors import Unprojectable
from projector.events import Aggregates, Headers, Subject, subject_of
from projector.folding import Failure
from projector.quarantine import Record
from service_kit.cloudevents import text_headers


def entry_id(aggregate_type: str, aggregate_id: str) -> str:
    """The id of an aggregate's entry."""
    return f"{aggregate_type}/{aggregate_id}"


def aggregate_record(
    aggregate_type: str, aggregate_id: str, failure: Failure, message: Message, *, time_us: int
) -> Record:
    """A record of an aggregate that cannot be projected from some version on."""
    record = logged_record(aggregate_type, aggregate_id, failure, time_us=time_us)
    record.MergeFrom(_record(record.entry.id, message, failure.cause, time_us))
    return record


def logged_record(aggregate_type: str, aggregate_id: str, failure: Failure, *, time_us: int) -> Record:
    """The same, noticed in the event log."""
    entry = pb.QuarantineEntry(
        id=entry_id(aggregate_type, aggregate_id),
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        version=failure.version,
        cause=cause_text(failure.cause),
        state=pb.QUARANTINE_STATE_QUARANTINED,
    )
    entry.quarantine_time.FromMicroseconds(time_us)
    return Record(entry=entry)


def message_record(message: Message, cause: Unprojectable, *, time_us: int) -> Record:
    """A record of a message that names no aggregate."""
    return _record(f"{message.topic()}/{message.partition()}/{message.offset()}", message, cause, time_us)


def changed(record: Record, failure: Failure, *, time_us: int) -> Record:
    """The record after a replay that failed."""
    new = Record()
    new.CopyFrom(record)
    if failure.version != record.entry.version:
        new.entry.quarantine_time.FromMicroseconds(time_us)
    new.entry.version = failure.version
    new.entry.cause = cause_text(failure.cause)
    new.entry.state = pb.QUARANTINE_STATE_QUARANTINED
    return new


def in_state(record: Record, state: "pb.QuarantineState.ValueType") -> Record:
    """The record in another state."""
    new = Record()
    new.CopyFrom(record)
    new.entry.state = state
    return new


def skipped(entry: pb.QuarantineEntry) -> set[int]:
    """The versions that were skipped."""
    return {each.version for each in entry.skips}


def about(record: Record, subject: Subject, failure: Failure, *, time_us: int) -> Record:
    """The record of a message as one of the aggregate that it is found to be about."""
    new = changed(record, failure, time_us=time_us)
    new.entry.id = entry_id(subject.aggregate.type, subject.aggregate_id)
    new.entry.aggregate_type = subject.aggregate.type
    new.entry.aggregate_id = subject.aggregate_id
    return new


def subject_of_record(record: Record, wanted: Aggregates) -> Subject:
    """What the kept message is about.

    Raises:
        Undecodable: it names none of the wanted aggregates.
    """
    message = record.message
    return subject_of(message.key if message.HasField("key") else None, _headers(message), wanted)


def with_event_json(record: Record) -> Record:
    """The record with what its message says, as far as that can be read."""
    data = _value(record.message)
    texts = text_headers(_headers(record.message))
    for types in (each.events for each in AGGREGATES):
        stored = types.stored.get(texts.get("ce_type", ""))
        if stored is not None and data is not None:
            try:
                types.parse(stored.DESCRIPTOR.full_name, data)
            except UnknownEvent:
                continue
            record.event_json = MessageToJson(stored.FromString(data), preserving_proto_field_name=True, indent=None)
    return record


def headers_of(message: Message) -> Headers:
    """The message's headers: pairs, as the client gives them to readers."""
    return cast("list[tuple[str, str | bytes | None]]", message.headers() or [])


def key_of(message: Message) -> bytes | None:
    """The message's key."""
    return _bytes(message.key())


def cause_text(cause: Unprojectable) -> str:
    """A failure's kind and text."""
    return f"{type(cause).__name__}: {cause}"


def _record(id_: str, message: Message, cause: Unprojectable, time_us: int) -> Record:
    kept = pb.QuarantinedMessage(key=key_of(message), value=message.value())
    kept.headers.extend(pb.QuarantinedHeader(name=name, value=_bytes(value)) for name, value in headers_of(message))
    entry = pb.QuarantineEntry(
        id=id_,
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        event_type=text_headers(headers_of(message)).get("ce_type", ""),
        cause=cause_text(cause),
        state=pb.QUARANTINE_STATE_QUARANTINED,
    )
    entry.quarantine_time.FromMicroseconds(time_us)
    return Record(entry=entry, message=kept)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _value(message: pb.QuarantinedMessage) -> bytes | None:
    return message.value if message.HasField("value") else None


def _headers(message: pb.QuarantinedMessage) -> Sequence[tuple[str, bytes | None]]:
    return [(each.name, each.value if each.HasField("value") else None) for each in message.headers]
