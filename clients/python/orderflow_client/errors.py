"""What a call that was refused or failed raises.

OrderflowError         any other failure, such as a deadline that was missed: the outcome may be unknown
├── InvalidRequest     a field is wrong; `fields` names each
├── NotFound
├── AlreadyExists
├── RefusedByState     the present state forbids it; `violations` and `metadata` say which and what is allowed
├── VersionMismatch    somebody else was faster; `current_version`
├── NotPermitted       no or wrong credentials, or not allowed
└── TryLater           nothing was wrong with the request; `retry_after`
    └── NotVisibleYet  a query did not see the wanted command in time; the command was accepted all the same
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DOMAIN = "orderflow"
_DETAILS = "grpc-status-details-bin"
_NOT_VISIBLE = "EVENTUAL_CONSISTENCY_TIMEOUT"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field: its path as in the proto, such as `items[1].quantity`, and what is wrong with it."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class StateViolation:
    """What is in a state that forbids the command, as `type/id`, and why that forbids it."""

    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """What the status of a failed call says beside its code.

    Args:
        reason: the name of an `orderflow.common.v1.ErrorReason` without its prefix; empty where the services had
            no say, for example when nobody answered. Decide by it, not by the message.
        metadata: further facts for programs, such as the current version.
        retry_after: seconds after which asking again makes sense; None where the server named none.
    """

    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[FieldViolation, ...] = ()
    violations: tuple[StateViolation, ...] = ()
    retry_after: float | None = None


class OrderflowError(Exception):
    """A call was refused or failed; the gRPC error is its cause.

    Attributes:
        code: the gRPC status.
        message: a sentence for people.
        request_id: of a command: repeat it with this id where the outcome is unknown; it takes effect once.
    """

    def __init__(self, code: grpc.StatusCode, message: str, details: Details, request_id: str = "") -> None:
        super().__init__(f"{details.reason or code.name}: {message}")
        self.code = code
        self.message = message
        self.request_id = request_id
        self.reason = details.reason
        self.metadata = details.metadata
        self.fields = details.fields
        self.violations = details.violations
        self.retry_after = details.retry_after


class InvalidRequest(OrderflowError):
    """A field of the request is wrong; the same request fails again."""


class NotFound(OrderflowError):
    """There is no such thing, or the caller may not know of it."""


class AlreadyExists(OrderflowError):
    """The chosen id is taken."""


class RefusedByState(OrderflowError):
    """The request is well formed, but the present state forbids it."""


class VersionMismatch(OrderflowError):
    """`expected_version` is not the current version: read again, decide again."""

    @property
    def current_version(self) -> int | None:
        """The version that there is now; None where the server does not say."""
        version = self.metadata.get("current_version", "")
        return int(version) if version.isdecimal() else None


class NotPermitted(OrderflowError):
    """The call carries no valid credentials, or its caller may not do this."""


class TryLater(OrderflowError):
    """Nothing was wrong with the request: the same one, with the same request id, may succeed later."""


class NotVisibleYet(TryLater):
    """A query did not see the command whose token it was given in time; the command was accepted."""


_KINDS: Mapping[grpc.StatusCode, type[OrderflowError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: RefusedByState,
    grpc.StatusCode.ABORTED: VersionMismatch,
    grpc.StatusCode.UNAUTHENTICATED: NotPermitted,
    grpc.StatusCode.PERMISSION_DENIED: NotPermitted,
    grpc.StatusCode.UNAVAILABLE: TryLater,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TryLater,
}


class FailedCall(Protocol):
    """What both of grpc's APIs tell of a call that failed."""

    def code(self) -> grpc.StatusCode:
        """Its status."""

    def details(self) -> str | None:
        """Its message."""

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """What was sent with the status."""


def error_of(call: FailedCall, request_id: str = "") -> OrderflowError:
    """The typed error of a failed call."""
    details = _details_in(call.trailing_metadata() or ())
    kind = _KINDS.get(call.code(), OrderflowError)
    if details.reason == _NOT_VISIBLE:
        kind = NotVisibleYet
    return kind(call.code(), call.details() or "", details, request_id)


def _details_in(trailers: Iterable[tuple[str, str | bytes]]) -> Details:
    status = status_pb2.Status()
    for key, value in trailers:
        if key == _DETAILS and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:  # a proxy's, perhaps: the code counts
                return Details()
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    state, retry = error_details_pb2.PreconditionFailure(), error_details_pb2.RetryInfo()
    told = [kind for detail in status.details for kind in (info, bad, state, retry) if detail.Unpack(kind)]
    if info.domain != _DOMAIN:
        info.Clear()
    return Details(
        reason=info.reason,
        metadata=dict(info.metadata),
        fields=tuple(FieldViolation(each.field, each.description) for each in bad.field_violations),
        violations=tuple(StateViolation(each.subject, each.description) for each in state.violations),
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry in told else None,
    )
