"""A closed set of events: finds an event's message by the name that it is stored under."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

Event = TypeVar("Event", bound=Message)


class UnknownEvent(ValueError):
    """An event's type is not in the set, or its bytes are not of its type."""


class EventTypes(Generic[Event]):
    """The events of one aggregate, by `event_type`: the full name of each event's message."""

    def __init__(self, types: Iterable[type[Event]]) -> None:
        self._types = {each.DESCRIPTOR.full_name: each for each in types}

    def parse(self, event_type: str, data: bytes) -> Event:
        """The event.

        Raises:
            UnknownEvent: see there.
        """
        try:
            return self._types[event_type].FromString(data)
        except KeyError as error:
            raise UnknownEvent(f"no event of the type {event_type!r} is known") from error
        except DecodeError as error:
            raise UnknownEvent(f"the data is no {event_type}") from error
