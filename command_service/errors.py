"""What the command side refuses, each with its reason of the contract.

ServiceError
├── InvalidArgument ── EmptyOrder, BelowMinimumAmount, CurrencyMismatch, AmountOverflow, RequestIdReused
├── FailedPrecondition ── AlreadyCancelled, CannotCancelDeliveredOrder, NotAllowedInStatus, InsufficientStock
├── TryLater ── StoreUnavailable, Overloaded
└── OrderNotFound, CustomerNotFound, StockItemNotFound, OrderAlreadyExists, CustomerAlreadyExists, VersionMismatch
"""

from orderflow.common.v1 import errors_pb2
from service_kit.errors import FailedPrecondition, InvalidArgument, ServiceError, TryLater


class EmptyOrder(InvalidArgument):
    """The order would be left without any item."""

    reason = errors_pb2.ERROR_REASON_EMPTY_ORDER


class BelowMinimumAmount(InvalidArgument):
    """The order's total would be under ten whole units of its currency."""

    reason = errors_pb2.ERROR_REASON_BELOW_MINIMUM_AMOUNT


class CurrencyMismatch(InvalidArgument):
    """An amount is not in the order's currency."""

    reason = errors_pb2.ERROR_REASON_CURRENCY_MISMATCH


class AmountOverflow(InvalidArgument):
    """An amount is larger than an order may hold."""

    reason = errors_pb2.ERROR_REASON_AMOUNT_OVERFLOW


class RequestIdReused(InvalidArgument):
    """The request id belongs to an accepted command with other contents."""

    reason = errors_pb2.ERROR_REASON_REQUEST_ID_REUSED


class AlreadyCancelled(FailedPrecondition):
    """The order is cancelled already."""

    reason = errors_pb2.ERROR_REASON_ALREADY_CANCELLED


class CannotCancelDeliveredOrder(FailedPrecondition):
    """A delivered order cannot be cancelled."""

    reason = errors_pb2.ERROR_REASON_CANNOT_CANCEL_DELIVERED_ORDER


class NotAllowedInStatus(FailedPrecondition):
    """The order's status, or what it did before, does not allow the command."""

    reason = errors_pb2.ERROR_REASON_NOT_ALLOWED_IN_STATUS


class InsufficientStock(FailedPrecondition):
    """Less stock is available than was asked for."""

    reason = errors_pb2.ERROR_REASON_INSUFFICIENT_STOCK


class OrderNotFound(ServiceError):
    """There is no such order."""

    reason = errors_pb2.ERROR_REASON_ORDER_NOT_FOUND


class CustomerNotFound(ServiceError):
    """There is no such customer."""

    reason = errors_pb2.ERROR_REASON_CUSTOMER_NOT_FOUND


class StockItemNotFound(ServiceError):
    """No stock was ever recorded for this SKU."""

    reason = errors_pb2.ERROR_REASON_STOCK_ITEM_NOT_FOUND


class OrderAlreadyExists(ServiceError):
    """The chosen order id is taken."""

    reason = errors_pb2.ERROR_REASON_ORDER_ALREADY_EXISTS


class CustomerAlreadyExists(ServiceError):
    """The chosen customer id is taken."""

    reason = errors_pb2.ERROR_REASON_CUSTOMER_ALREADY_EXISTS


class VersionMismatch(ServiceError):
    """The aggregate is not at the version that the caller expects."""

    reason = errors_pb2.ERROR_REASON_VERSION_MISMATCH


class StoreUnavailable(TryLater):
    """The event store is away, or a commit's outcome could not be learned; a repeat with its request id is safe."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE


class Overloaded(TryLater):
    """As much work is waiting as may; this call was refused before it began."""

    reason = errors_pb2.ERROR_REASON_OVERLOADED
