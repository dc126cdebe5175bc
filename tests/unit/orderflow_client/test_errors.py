from collections.abc import Sequence
from datetime import timedelta

import grpc
import pytest

from orderflow.common.v1 import errors_pb2
from orderflow_client import (
    AlreadyExists,
    InvalidRequest,
    NotFound,
    NotPermitted,
    NotVisibleYet,
    OrderflowError,
    RefusedByState,
    TryLater,
    VersionMismatch,
)
from orderflow_client.errors import FieldViolation, StateViolation, error_of
from service_kit.errors import FailedPrecondition, InvalidArgument, ServiceError
from service_kit.errors import FieldViolation as Violation
from service_kit.errors import TryLater as ServersTryLater


class Failed:
    """A failed call as grpc tells it."""

    def __init__(self, code: grpc.StatusCode, trailers: Sequence[tuple[str, str | bytes]] = ()) -> None:
        self._code = code
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        """Its status."""
        return self._code

    def details(self) -> str:
        """Its message."""
        return "why"

    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """Its trailers."""
        return self._trailers


def refused(error: ServiceError) -> OrderflowError:
    """What a client makes of a server's refusal."""
    return error_of(Failed(error.code, [("grpc-status-details-bin", error.status().SerializeToString())]), "r-1")


def refusal(reason: str, kind: type[ServiceError] = ServiceError) -> ServiceError:
    value = errors_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    return type("Refusal", (kind,), {"reason": value})("why")  # type: ignore[no-any-return]


@pytest.mark.parametrize("reason", errors_pb2.ErrorReason.keys()[1:])
def test_every_reason_of_the_contract_has_an_error_of_its_codes_kind(reason: str) -> None:
    name = reason.removeprefix("ERROR_REASON_")
    error = refused(refusal(name))
    kinds = {
        "INVALID_ARGUMENT": InvalidRequest,
        "NOT_FOUND": NotFound,
        "ALREADY_EXISTS": AlreadyExists,
        "FAILED_PRECONDITION": RefusedByState,
        "ABORTED": VersionMismatch,
        "UNAVAILABLE": NotVisibleYet if name == "EVENTUAL_CONSISTENCY_TIMEOUT" else TryLater,
        "RESOURCE_EXHAUSTED": TryLater,
        "UNAUTHENTICATED": NotPermitted,
        "PERMISSION_DENIED": NotPermitted,
        "UNIMPLEMENTED": OrderflowError,
    }
    assert type(error) is kinds[error.code.name]
    assert error.reason == name
    assert error.request_id == "r-1"
    assert str(error) == f"{name}: why"


def test_wrong_fields_are_named() -> None:
    error = refused(InvalidArgument("two", [Violation("items[1].quantity", "low"), Violation("order_id", "odd")]))
    assert error.fields == (FieldViolation("items[1].quantity", "low"), FieldViolation("order_id", "odd"))


def test_a_state_that_forbids_it_is_named_with_its_facts() -> None:
    reason = errors_pb2.ERROR_REASON_NOT_ALLOWED_IN_STATUS
    kind = type("Refusal", (FailedPrecondition,), {"reason": reason})
    error = refused(kind("no", subject="order/1", metadata={"current_status": "PENDING"}))
    assert error.violations == (StateViolation("order/1", "no"),)
    assert error.metadata == {"current_status": "PENDING"}


def test_the_servers_delay_is_told_and_none_where_there_is_none() -> None:
    reason = errors_pb2.ERROR_REASON_OVERLOADED
    kind = type("Refusal", (ServersTryLater,), {"reason": reason})
    assert refused(kind("busy", retry_after=timedelta(seconds=1.5))).retry_after == 1.5
    assert refused(kind("busy", retry_after=timedelta(0))).retry_after == 0.0
    assert refused(kind("busy")).retry_after is None


def test_the_right_version_is_told() -> None:
    reason = errors_pb2.ERROR_REASON_VERSION_MISMATCH
    error = refused(type("Refusal", (ServiceError,), {"reason": reason})("no", metadata={"current_version": "7"}))
    assert isinstance(error, VersionMismatch)
    assert error.current_version == 7


def test_a_failure_that_no_service_had_a_say_in_has_no_reason() -> None:
    error = error_of(Failed(grpc.StatusCode.UNAVAILABLE))
    assert type(error) is TryLater
    assert error.reason == ""
    assert str(error) == "UNAVAILABLE: why"


def test_details_that_nobody_can_read_do_not_hide_the_status() -> None:
    assert error_of(Failed(grpc.StatusCode.NOT_FOUND, [("grpc-status-details-bin", b"\xff")])).code.name == "NOT_FOUND"


def test_a_reason_of_another_domain_is_none_of_ours() -> None:
    status = refusal("ORDER_NOT_FOUND").status()
    info = status.details[0]
    info.value = info.value.replace(b"orderflow", b"elsewhere")
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    assert error_of(Failed(grpc.StatusCode.NOT_FOUND, trailers)).reason == ""
