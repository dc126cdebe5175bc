"""What makes a kind of aggregate: its rules, its events and how its commands are answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from command_service.event_store.port import Loaded
from command_service.naming import Naming
from command_service.snapshots import Snapshots
from event_schemas.event_types import EventTypes
from orderflow.events.v1 import event_log_pb2
from service_kit.errors import ServiceError


class Versioned(Protocol):
    """A state knows how many events it was folded from."""

    @property
    def version(self) -> int:
        """The number of events folded so far."""


State = TypeVar("State", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[State]):
    """A decider and what the command handler needs around it.

    Args:
        name: the aggregate type as stored, e.g. `order`.
        creates: the command that makes a new aggregate.
        naming: how its commands name it.
        initial: the state of what does not exist.
        decide: the rules; raises ServiceError.
        evolve: the fold.
        events: every message that was ever stored for this type.
        facts: what answers show of a state, by the name of the answer's field.
        attributes: what a command's span says of it.
        id_taken: refuses to create an aggregate under the id of another kind of aggregate.
        snapshots: of long histories; None where there are none, or where states hold what must not be kept twice.
    """

    name: str
    creates: type[Message]
    naming: Naming
    initial: State
    decide: Callable[[Any, State, datetime], Sequence[Message]]
    evolve: Callable[[State, Any], State]
    events: EventTypes[Any]
    facts: Callable[[State], Mapping[str, Any]]
    attributes: Callable[[Any], Mapping[str, str | int]]
    id_taken: Callable[[str], ServiceError]
    snapshots: Snapshots[State] | None = None

    def restored(self, loaded: Loaded) -> State:
        """The state after all that was loaded.

        Raises:
            UnknownEvent: an event of a type that this aggregate never had.
        """
        if self.snapshots is None or loaded.snapshot is None:
            return self.fold(loaded.history)
        return self.fold(loaded.history, self.snapshots.read(loaded.snapshot.state))

    def fold(self, history: Sequence[event_log_pb2.RecordedEvent], before: State | None = None) -> State:
        """The state after a history; the one before it where the history is that of another kind of aggregate.

        Args:
            history: in order of version.
            before: what the history follows; None where it is whole.

        Raises:
            UnknownEvent: an event of a type that this aggregate never had.
        """
        state = self.initial if before is None else before
        if self.is_foreign(history):
            return state
        for recorded in history:
            state = self.evolve(state, self.events.parse(recorded.event_type, recorded.event_data))
        return state

    def is_foreign(self, history: Sequence[event_log_pb2.RecordedEvent]) -> bool:
        """True when the history is that of another kind of aggregate: ids are shared by all kinds."""
        return bool(history) and history[0].aggregate_type != self.name
