"""What the query side refuses, each with its reason of the contract.

ServiceError
├── InvalidArgument ── TokenInvalid (service_kit.consistency_token)
├── TryLater ── EventualConsistencyTimeout, ReadModelUnavailable ── ReadModelBusy, EventLogUnavailable, Overloaded
├── OrderNotFound
└── StockItemNotFound
"""

from collections.abc import Sequence
from datetime import timedelta

from orderflow.common.v1 import errors_pb2
from service_kit.errors import ServiceError, TryLater

_ASK_AGAIN_AFTER = timedelta(seconds=1)


class OrderNotFound(ServiceError):
    """There is no such order, or not yet at the moment asked for."""

    reason = errors_pb2.ERROR_REASON_ORDER_NOT_FOUND


class StockItemNotFound(ServiceError):
    """No stock was ever recorded for the product."""

    reason = errors_pb2.ERROR_REASON_STOCK_ITEM_NOT_FOUND


class EventualConsistencyTimeout(TryLater):
    """What the caller must see did not become visible in time.

    Args:
        aggregate: what was changed, as `type/id`.
        wanted: its version that must be visible.
        seen: its version that was visible at last; 0 for none.
    """

    reason = errors_pb2.ERROR_REASON_EVENTUAL_CONSISTENCY_TIMEOUT

    def __init__(self, aggregate: str, *, wanted: int, seen: int) -> None:
        super().__init__(
            f"{aggregate} is not visible at version {wanted} yet, only at {seen}",
            retry_after=_ASK_AGAIN_AFTER,
            metadata={"aggregate": aggregate, "wanted_version": str(wanted), "seen_version": str(seen)},
        )

    @property
    def trailers(self) -> Sequence[tuple[str, str]]:
        """Tells gRPC's own retries to stop: the server has waited already."""
        return (("grpc-retry-pushback-ms", "-1"),)


class ReadModelUnavailable(TryLater):
    """Elasticsearch is away, too slow, or holds no index of the read model yet."""

    reason = errors_pb2.ERROR_REASON_READ_MODEL_UNAVAILABLE


class ReadModelBusy(ReadModelUnavailable):
    """Elasticsearch is there and refuses more work."""

    reason = errors_pb2.ERROR_REASON_OVERLOADED


class Overloaded(TryLater):
    """More reads wait for Elasticsearch than may, or more watch than may."""

    reason = errors_pb2.ERROR_REASON_OVERLOADED

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=_ASK_AGAIN_AFTER)


class EventLogUnavailable(TryLater):
    """The command service, which has the event log, is away or too slow."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE
