"""Finds lists that are longer than they may be before anybody looks at their elements, which can take a minute."""

from functools import cache

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

_DEEPEST = 4


def too_long_lists(message: Message) -> list[tuple[str, int]]:
    """The path of each list with more elements than its rule `max_items` admits, and how many that admits.

    Lists inside elements of lists are not looked at.
    """
    return [(".".join(path), most) for path, most in _lists(message.DESCRIPTOR) if _length(message, path) > most]


@cache
def _lists(descriptor: Descriptor, depth: int = 0) -> tuple[tuple[tuple[str, ...], int], ...]:
    """The paths of all lists of a type of message that have a most, through singular messages."""
    found: list[tuple[tuple[str, ...], int]] = []
    for field in descriptor.fields:
        if field.is_repeated:
            rules = field.GetOptions().Extensions[validate_pb2.field].repeated
            if rules.HasField("max_items"):
                found.append(((field.name,), rules.max_items))
        elif field.message_type is not None and depth < _DEEPEST:
            found += [((field.name, *rest), most) for rest, most in _lists(field.message_type, depth + 1)]
    return tuple(found)


def _length(message: Message, path: tuple[str, ...]) -> int:
    value = message
    for name in path[:-1]:
        if not value.HasField(name):
            return 0
        value = getattr(value, name)
    return len(getattr(value, path[-1]))
