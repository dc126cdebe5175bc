"""Finds timestamps that no clock can show, which protobuf carries and protovalidate lets pass."""

from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 and 9999
_NANOS = range(10**9)
_DEEPEST = 4


def impossible_times(message: Message) -> list[str]:
    """The paths of the message's timestamps that are out of range; those in repeated fields are not looked at."""
    return [".".join(path) for path in _timestamps(message.DESCRIPTOR) if not _is_possible(message, path)]


@cache
def _timestamps(descriptor: Descriptor, depth: int = 0) -> tuple[tuple[str, ...], ...]:
    """The paths of all timestamps of a type of message, through singular messages."""
    found: list[tuple[str, ...]] = []
    for field in descriptor.fields:
        if field.message_type is None or field.is_repeated:
            continue
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            found.append((field.name,))
        elif depth < _DEEPEST:
            found += [(field.name, *rest) for rest in _timestamps(field.message_type, depth + 1)]
    return tuple(found)


def _is_possible(message: Message, path: tuple[str, ...]) -> bool:
    value: Message = message
    for name in path:
        if not value.HasField(name):
            return True
        value = getattr(value, name)
    if not isinstance(value, Timestamp):
        raise TypeError(f"{'.'.join(path)} is no timestamp")
    return value.nanos in _NANOS and _FIRST_SECOND <= value.seconds <= _LAST_SECOND
