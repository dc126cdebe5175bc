"""What can go wrong here, and what follows from it.

ProjectorError
├── Outage                  a neighbor is away or busy: the same work succeeds later
│   ├── ReadModelAway
│   ├── CustomersAway
│   ├── EventLogAway
│   ├── BrokersAway
│   └── Contended           another writer was faster: read again, fold again
├── Unprojectable           fails however often it is tried: its aggregate is quarantined
│   ├── Undecodable         a message is no event of a known type
│   ├── EventsMissing       the log itself has a gap
│   ├── Unfoldable          the fold failed
│   ├── DocumentRejected    Elasticsearch refuses the document, or none can be made
│   └── Deadly              the process died of it, again and again
├── GenerationLost          a rebuild's generation was given up by others, or readers were moved meanwhile
├── Differs                 a rebuild's generation is not what it should be: it must not become live
└── WrongIndex              the alias is not what this program makes it: it must not start

The refusals of the gRPC side:

ServiceError
├── ReadModelUnavailable
├── ProjectionNotFound
├── GenerationNotFound
├── RebuildRunning
├── GenerationBehind
├── QuarantineEntryNotFound
├── AnotherVersion
└── CannotSkipCreation
"""

from orderflow.common.v1 import errors_pb2
from service_kit.errors import FailedPrecondition, ServiceError, TryLater


class ProjectorError(Exception):
    """See the tree above."""


class Outage(ProjectorError):
    """A neighbor is away or busy, which says nothing about the event in hand."""


class ReadModelAway(Outage):
    """Elasticsearch cannot be reached, is overloaded or blocked."""


class CustomersAway(Outage):
    """CustomerService does not answer, or is behind the events it has published."""


class EventLogAway(Outage):
    """EventLogService does not answer."""


class BrokersAway(Outage):
    """Kafka does not answer."""


class Contended(Outage):
    """A document was written by another process between our read and our write."""


class Unprojectable(ProjectorError):
    """A defect in an event or in this program; trying again does not help."""


class Undecodable(Unprojectable):
    """A message is no event, or none of a type known here."""


class EventsMissing(Unprojectable):
    """An event came whose predecessors neither Kafka nor the event log has."""


class Unfoldable(Unprojectable):
    """The fold, which refuses no history, failed."""


class DocumentRejected(Unprojectable):
    """Elasticsearch refuses the document's contents, or no document can be made of the view."""


class Deadly(Unprojectable):
    """The process died of a message several times."""


class GenerationLost(ProjectorError):
    """The generation in hand was deleted, or the one that it was to replace is not live any more."""


class Differs(ProjectorError):
    """The generation in hand lacks what the live one has, or differs from the event log."""


class WrongIndex(ProjectorError):
    """The alias names several indices."""


class ReadModelUnavailable(TryLater):
    """The index, or what is needed to write to it, cannot be reached now."""

    reason = errors_pb2.ERROR_REASON_READ_MODEL_UNAVAILABLE


class ProjectionNotFound(ServiceError):
    """There is no projection of this name, or it does not run in the process that was asked."""

    reason = errors_pb2.ERROR_REASON_PROJECTION_NOT_FOUND

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no projection {name!r} here")


class GenerationNotFound(ServiceError):
    """There is no such generation, none to return to, or no rebuild."""

    reason = errors_pb2.ERROR_REASON_GENERATION_NOT_FOUND


class RebuildRunning(FailedPrecondition):
    """Somebody rebuilds the projection or rolls it back."""

    reason = errors_pb2.ERROR_REASON_REBUILD_RUNNING

    @classmethod
    def of(cls, projection: str) -> "RebuildRunning":
        """The refusal for a projection."""
        message = f"a rebuild or rollback of {projection} runs already"
        return cls(message, subject=f"projection/{projection}")


class GenerationBehind(FailedPrecondition):
    """The generation lacks what the live one has."""

    reason = errors_pb2.ERROR_REASON_GENERATION_BEHIND


class QuarantineEntryNotFound(ServiceError):
    """There is no such entry."""

    reason = errors_pb2.ERROR_REASON_QUARANTINE_ENTRY_NOT_FOUND

    def __init__(self, id_: str) -> None:
        super().__init__(f"there is no {id_!r} in the quarantine")


class AnotherVersion(ServiceError):
    """The entry is about another version than the one that is to be skipped."""

    reason = errors_pb2.ERROR_REASON_VERSION_MISMATCH

    def __init__(self, id_: str, current: int) -> None:
        super().__init__(
            f"what cannot be projected of {id_} is version {current}", metadata={"current_version": str(current)}
        )


class CannotSkipCreation(FailedPrecondition):
    """The entry is about the first version of what is to be shown, without which nothing can be folded."""

    reason = errors_pb2.ERROR_REASON_CANNOT_SKIP_CREATION

    def __init__(self, id_: str) -> None:
        super().__init__(f"nothing of {id_} can be shown without its creation: have it replayed", subject=id_)
