"""What can go wrong here, and what follows from it.

ProjectorError
├── Outage                  a neighbor is away or busy: the same work succeeds later
│   ├── ReadModelAway
│   ├── CustomersAway
│   ├── EventLogAway
│   └── Contended           another writer was faster: read again, fold again
├── Unprojectable           fails however often it is tried: stops the partition
│   ├── Undecodable         a message is no event of a known type
│   ├── EventsMissing       the log itself has a gap
│   ├── Unfoldable          the fold failed
│   └── DocumentRejected    Elasticsearch refuses the document
└── WrongIndex              the index is not the one that this program writes: it must not start

ReadModelUnavailable        the one refusal of the gRPC side
"""

from orderflow.common.v1 import errors_pb2
from service_kit.errors import TryLater


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
    """Elasticsearch refuses the document's contents."""


class WrongIndex(ProjectorError):
    """The index that exists has another mapping than this program writes."""


class ReadModelUnavailable(TryLater):
    """How far the projection has come cannot be said now."""

    reason = errors_pb2.ERROR_REASON_READ_MODEL_UNAVAILABLE
