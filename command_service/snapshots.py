"""States of aggregates as bytes, so that a long history need not be folded again: disposable, never the truth."""

import hashlib
import inspect
from collections.abc import Sequence
from types import ModuleType
from typing import Generic, TypeVar

from pydantic import TypeAdapter

State = TypeVar("State")


class Snapshots(Generic[State]):
    """Writes and reads the states of one kind of aggregate.

    Args:
        name: the aggregate type.
        state: a dataclass of what pydantic can write as JSON and read again.
        code: the modules that the fold consists of; a change in one of them makes all earlier snapshots unreadable.
    """

    def __init__(self, name: str, state: type[State], code: Sequence[ModuleType]) -> None:
        digest = hashlib.sha256("\0".join(map(inspect.getsource, code)).encode())
        self.fold = f"{name}@{digest.hexdigest()[:16]}"
        self._adapter = TypeAdapter(state)

    def write(self, state: State) -> bytes:
        """The state's bytes."""
        return self._adapter.dump_json(state)

    def read(self, data: bytes) -> State:
        """The state that was written."""
        return self._adapter.validate_json(data)
