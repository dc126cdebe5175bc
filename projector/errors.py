"""What can go wrong here, and what follows from it.

ProjectorError
├── Outage                  a neighbor is away or busy: the same work succeeds later
│   ├── ReadModelAway
│   ├── CustomersAway
│   ├── EventLogAway
│   └── Contended           another writer was faster: read again, fold again
├── Unprojectable           fails however often it is tried: its aggregate is quarantined
│   ├── Undecodable         a message is no event of a known type
│   ├── EventsMissing       the log itself has a gap
│   ├── Unfoldable          the fold failed
│   ├── DocumentRejected    Elasticsearch refuses the document, or none can be made
│   └── Deadly              the process died of it, again and again
└── WrongIndex              the index is not the one that this program writes: it must not start

ServiceError                the refusals of the gRPC side
├── ReadModelUnavailable
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


class WrongIndex(ProjectorError):
    """The index that exists has another mapping than this program writes."""


class ReadModelUnavailable(TryLater):
    """The index, or what is needed to write to it, cannot be reached now."""

    reason = errors_pb2.ERROR_REASON_READ_MODEL_UNAVAILABLE


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
    """The entry is about an order's first version, without which nothing can be folded."""

    reason = errors_pb2.ERROR_REASON_CANNOT_SKIP_CREATION

    def __init__(self, id_: str) -> None:
        super().__init__(f"nothing of {id_} can be shown without its creation: have it replayed", subject=id_)
