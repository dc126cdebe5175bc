"""Which events hold personal data, and where: in the submessage `personal_data`, of the customer `customer_id`.

Every event of that form is sealed, also of aggregates that are yet to come.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from event_schemas.aggregates import AGGREGATES

CUSTOMER_ERASED = "orderflow.customers.v1.CustomerErased"


@cache
def types() -> Mapping[str, type[Message]]:
    """The messages of such events, by their full names."""
    stored = {name: type_ for each in AGGREGATES for name, type_ in each.events.stored.items()}
    return {name: type_ for name, type_ in stored.items() if "personal_data" in type_.DESCRIPTOR.fields_by_name}


def parsed(event_type: str, data: bytes) -> Any:
    """The event, if it holds personal data; else None."""
    type_ = types().get(event_type)
    if type_ is None:
        return None
    try:
        event: Any = type_.FromString(data)
    except DecodeError:
        return None  # no event of ours: whoever reads it says so
    return event if event.HasField("personal_data") else None


def customer_of(event: Any) -> UUID:
    """Whose personal data an event holds."""
    return UUID(event.customer_id)


def is_sealed(event: Any) -> bool:
    """Whether its personal data is sealed."""
    return bool(event.personal_data.key_id)


def sealed(event: Any, key_id: UUID, data: bytes) -> bytes:
    """The bytes of the event with its personal data sealed; the given event is changed."""
    event.personal_data.Clear()
    event.personal_data.key_id = str(key_id)
    event.personal_data.sealed = data
    return bytes(event.SerializeToString(deterministic=True))


def opened(event: Any, data: bytes) -> bytes:
    """The bytes of the event with its personal data in plain; the given event is changed."""
    event.personal_data.ParseFromString(data)
    return bytes(event.SerializeToString(deterministic=True))
