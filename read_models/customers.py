"""Customers as the read side sees them: the closed set of their events."""

from typing import TypeAlias

from orderflow.customers.v1 import events_pb2
from read_models.event_types import EventTypes

CustomerEvent: TypeAlias = events_pb2.CustomerRegistered | events_pb2.CustomerUpdated | events_pb2.CustomerErased
EVENT_TYPES: EventTypes[CustomerEvent] = EventTypes(
    (events_pb2.CustomerRegistered, events_pb2.CustomerUpdated, events_pb2.CustomerErased)
)
