"""The events of a customer, as they are stored."""

from typing import TypeAlias, get_args

from event_schemas.event_types import EventTypes
from orderflow.customers.v1 import events_pb2

CustomerEvent: TypeAlias = events_pb2.CustomerRegistered | events_pb2.CustomerUpdated | events_pb2.CustomerErased
EVENT_TYPES: EventTypes[CustomerEvent] = EventTypes(get_args(CustomerEvent))
