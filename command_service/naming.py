"""How a command names its aggregate."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8077-636f6d6d616e")


class Naming(Protocol):
    """Finds the aggregate that a command is for."""

    def find(
        self, message: Any, *, kind: str, principal: str, new_id: Callable[[], uuid.UUID]
    ) -> tuple[uuid.UUID, Any]:
        """The aggregate's id, and the command with the name as it is kept; the given command stays as it is."""


@dataclass(frozen=True, slots=True)
class ById:
    """By its id, in either case.

    An empty one is derived from principal and request id, so that a retry names the same aggregate; without a
    request id it is drawn by `new_id`.
    """

    field: str

    def find(  # noqa: D102
        self, message: Any, *, kind: str, principal: str, new_id: Callable[[], uuid.UUID]
    ) -> tuple[uuid.UUID, Any]:
        named: str = getattr(message, self.field)
        if named:
            aggregate_id = uuid.UUID(named)
        elif message.request_id:
            aggregate_id = uuid.uuid5(_NAMESPACE, f"{kind}\0{principal}\0{message.request_id}")
        else:
            aggregate_id = new_id()
        if named != str(aggregate_id):
            message = type(message).FromString(message.SerializeToString())
            setattr(message, self.field, str(aggregate_id))
        return aggregate_id, message


@dataclass(frozen=True, slots=True)
class ByNaturalKey:
    """By what the business calls it; its id is the UUID of version 5 of that, for ever.

    Args:
        namespace: of this kind of aggregate alone.
    """

    field: str
    namespace: uuid.UUID

    def find(  # noqa: D102
        self,
        message: Any,
        *,
        kind: str,  # noqa: ARG002
        principal: str,  # noqa: ARG002
        new_id: Callable[[], uuid.UUID],  # noqa: ARG002
    ) -> tuple[uuid.UUID, Any]:
        return self.id_of(getattr(message, self.field)), message

    def id_of(self, key: str) -> uuid.UUID:
        """The id of the aggregate that is called so."""
        return uuid.uuid5(self.namespace, key)
