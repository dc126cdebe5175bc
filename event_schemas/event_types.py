"""A closed set of events: reads stored bytes, however old, as the messages of today."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

Event = TypeVar("Event", bound=Message)
Upcaster: TypeAlias = Callable[[Any], Message]


class UnknownEvent(ValueError):
    """An event's type is not in the set, or its bytes are not of its type."""


class EventTypes(Generic[Event]):
    """The events of one aggregate, by `event_type`: the full name of each event's message.

    A message that was ever stored changes only as `buf breaking` allows, and never in what it means. An event that
    must say something else becomes a new message; an upcaster makes it of the old one, which nobody writes any more.

    Args:
        types: today's events.
        upcasters: by the old message: makes its successor of it, which may be an old one again.
    """

    def __init__(self, types: Iterable[type[Event]], upcasters: Mapping[type[Message], Upcaster] | None = None) -> None:
        self._today = tuple(types)
        self._upcasters = dict(upcasters or {})
        both = set(self._today) & set(self._upcasters)
        if both:
            raise ValueError(f"an event of today needs no upcaster: {sorted(each.__name__ for each in both)}")
        ever: list[type[Message]] = [*self._today, *self._upcasters]
        self._types = {each.DESCRIPTOR.full_name: each for each in ever}

    def __iter__(self) -> Iterator[type[Event]]:
        """The messages of today."""
        return iter(self._today)

    @property
    def stored(self) -> Mapping[str, type[Message]]:
        """Every message that was ever stored, by its full name."""
        return self._types

    def parse(self, event_type: str, data: bytes) -> Event:
        """The event, as a message of today.

        Raises:
            UnknownEvent: see there.
        """
        try:
            event: Any = self._types[event_type].FromString(data)
        except KeyError as error:
            raise UnknownEvent(f"no event of the type {event_type!r} is known") from error
        except DecodeError as error:
            raise UnknownEvent(f"the data is no {event_type}") from error
        while type(event) in self._upcasters:
            event = self._upcasters[type(event)](event)
        parsed: Event = event
        return parsed
