"""Refusals that a client can act on, and the google.rpc.Status each becomes.

ServiceError
├── InvalidArgument      a field (or several) is wrong; carries BadRequest
├── FailedPrecondition   the present state forbids it; carries PreconditionFailure
└── TryLater             nothing was wrong with the request; may carry RetryInfo
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from orderflow.common.v1 import errors_pb2

ERROR_DOMAIN = "orderflow"
_PREFIX = "ERROR_REASON_"
_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field: its path as in the proto, e.g. `items[1].quantity`, and what is wrong with it."""

    field: str
    description: str


class ServiceError(Exception):
    """A refusal with a reason of the contract; nothing was changed by the refused call.

    Args:
        message: a sentence for people; may change, programs read the reason.
        metadata: further facts for programs, e.g. the current version.
    """

    reason: ClassVar["errors_pb2.ErrorReason.ValueType"] = errors_pb2.ERROR_REASON_UNSPECIFIED

    def __init__(self, message: str, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status that the contract fixes for the reason."""
        value = errors_pb2.ErrorReason.DESCRIPTOR.values_by_number[self.reason]
        return _STATUS_CODES[value.GetOptions().Extensions[errors_pb2.grpc_code]]

    @property
    def reason_name(self) -> str:
        """The reason as in ErrorInfo: the enum value without its prefix."""
        return errors_pb2.ErrorReason.Name(self.reason).removeprefix(_PREFIX)

    @property
    def trailers(self) -> Sequence[tuple[str, str]]:
        """Trailing metadata that goes with the refusal, beside the status details."""
        return ()

    def status(self) -> status_pb2.Status:
        """The refusal as a google.rpc.Status with ErrorInfo and the details of its kind."""
        info = error_details_pb2.ErrorInfo(reason=self.reason_name, domain=ERROR_DOMAIN, metadata=self.metadata)
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in (info, *self._details()):
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        return status

    def _details(
        self,
    ) -> Sequence[error_details_pb2.BadRequest | error_details_pb2.PreconditionFailure | error_details_pb2.RetryInfo]:
        return ()


class InvalidArgument(ServiceError):
    """Fields of the request are wrong, whatever the state."""

    reason = errors_pb2.ERROR_REASON_INVALID_FIELD

    def __init__(
        self, message: str, violations: Sequence[FieldViolation], *, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, metadata=metadata)
        self.violations = tuple(violations)

    @classmethod
    def of(cls, field: str, description: str) -> "InvalidArgument":
        """A refusal of one field."""
        message = f"{field}: {description}" if field else description
        return cls(message, [FieldViolation(field, description)])

    def _details(self) -> Sequence[error_details_pb2.BadRequest]:
        violation = error_details_pb2.BadRequest.FieldViolation
        return [
            error_details_pb2.BadRequest(
                field_violations=[
                    violation(field=each.field, description=each.description, reason=self.reason_name)
                    for each in self.violations
                ]
            )
        ]


class FailedPrecondition(ServiceError):
    """The request is well formed, but the present state forbids it.

    Args:
        subject: what is in that state, as `type/id`.
    """

    def __init__(self, message: str, *, subject: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message, metadata=metadata)
        self.subject = subject

    def _details(self) -> Sequence[error_details_pb2.PreconditionFailure]:
        violation = error_details_pb2.PreconditionFailure.Violation(
            type=self.reason_name, subject=self.subject, description=self.message
        )
        return [error_details_pb2.PreconditionFailure(violations=[violation])]


class TryLater(ServiceError):
    """Nothing is wrong with the request; the same one may succeed later.

    Args:
        retry_after: how long to wait before; none where the client's own back-off serves.
    """

    def __init__(
        self, message: str, *, retry_after: timedelta | None = None, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, metadata=metadata)
        self.retry_after = retry_after

    def _details(self) -> Sequence[error_details_pb2.RetryInfo]:
        if self.retry_after is None:
            return ()
        delay = duration_pb2.Duration()
        delay.FromTimedelta(self.retry_after)
        return [error_details_pb2.RetryInfo(retry_delay=delay)]
