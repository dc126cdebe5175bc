"""Events of aggregates, as they are read out of Kafka messages and the event log."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from event_schemas.aggregates import Aggregate
from event_schemas.event_types import UnknownEvent
from orderflow.events.v1 import event_log_pb2
from projector.errors import Undecodable, Unprojectable
from service_kit import cloudevents

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
Headers: TypeAlias = Sequence[tuple[str, str | bytes | None]]
Aggregates: TypeAlias = Mapping[str, Aggregate[Any]]
"""Those whose events are wanted, by their types."""


@dataclass(frozen=True, slots=True)
class ReadableEvent:
    """What happened to an aggregate, which has this version since.

    Args:
        event: as a message of today.
    """

    aggregate_type: str
    aggregate_id: str
    version: int
    event: Any


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """A version of an aggregate of which it is not known what happened."""

    aggregate_type: str
    aggregate_id: str
    version: int
    cause: Unprojectable


AnyEvent: TypeAlias = ReadableEvent | UnreadableEvent
Events: TypeAlias = Sequence[AnyEvent]
"""Of one aggregate."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message or a recorded event says that it is about."""

    aggregate: Aggregate[Any]
    aggregate_id: str
    version: int

    def unreadable(self, cause: Unprojectable) -> UnreadableEvent:
        """Its event, which cannot be read."""
        return UnreadableEvent(self.aggregate.type, self.aggregate_id, self.version, cause)


def by_type(aggregates: Iterable[Aggregate[Any]]) -> Aggregates:
    """The aggregates by their types."""
    return {each.type: each for each in aggregates}


def event_in(key: bytes | None, value: bytes | None, headers: Headers, wanted: Aggregates) -> AnyEvent:
    """The event that a message carries.

    Raises:
        Undecodable: it names none of the wanted aggregates.
    """
    subject = subject_of(key, headers, wanted)
    try:
        recorded = cloudevents.event_of(value, headers)
    except cloudevents.NotAnEvent as error:
        return subject.unreadable(Undecodable(str(error)))
    return event_of(subject, recorded)


def subject_of(key: bytes | None, headers: Headers, wanted: Aggregates) -> Subject:
    """What a message is about, by its key and headers alone: they must agree, as they do in all of the relay's.

    Raises:
        Undecodable: it names none of the wanted aggregates.
    """
    texts = cloudevents.text_headers(headers)
    type_, id_, version = (texts.get(name, "") for name in ("ce_aggregatetype", "ce_subject", "ce_aggregateversion"))
    if type_ not in wanted:
        raise Undecodable(f"an event of a {type_!r}")
    if not is_id(id_) or not _VERSION.fullmatch(version):
        raise Undecodable(f"an event of {type_} {id_!r} in version {version!r}")
    if key is None or key.decode("utf-8", "replace") != id_:
        raise Undecodable(f"its key is not {id_}, which its headers name")
    return Subject(wanted[type_], id_, int(version))


def event_of(subject: Subject, recorded: event_log_pb2.RecordedEvent) -> AnyEvent:
    """The event that was recorded of this version of an aggregate."""
    aggregate = subject.aggregate
    try:
        event = aggregate.events.parse(recorded.event_type, recorded.event_data)
    except UnknownEvent as error:
        return subject.unreadable(Undecodable(str(error)))
    if (named := aggregate.id_of(event)) != subject.aggregate_id:
        return subject.unreadable(Undecodable(f"it is about {named!r}"))
    return ReadableEvent(aggregate.type, subject.aggregate_id, subject.version, event)


def is_id(text: str) -> bool:
    """Whether it has the form of all ids of aggregates: a UUID in lower case."""
    return _ID.fullmatch(text) is not None
