"""Refusals as google.rpc.Status: code, ErrorInfo and the details of each kind."""

from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2

from orderflow.common.v1 import errors_pb2
from service_kit.errors import FailedPrecondition, FieldViolation, InvalidArgument, ServiceError, TryLater
from tests.unit.service_kit.in_process import detail, info_of


class NotFound(ServiceError):
    """A refusal without details of its own."""

    reason = errors_pb2.ERROR_REASON_ORDER_NOT_FOUND


class Forbidden(FailedPrecondition):
    """A refusal by state."""

    reason = errors_pb2.ERROR_REASON_NOT_ALLOWED_IN_STATUS


class Away(TryLater):
    """A refusal for now."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE


def test_every_refusal_carries_reason_domain_and_metadata() -> None:
    status = NotFound("there is no such order", metadata={"hint": "look again"}).status()
    assert (status.code, status.message) == (grpc.StatusCode.NOT_FOUND.value[0], "there is no such order")
    assert [each.TypeName() for each in status.details] == ["google.rpc.ErrorInfo"]
    assert info_of(status) == error_details_pb2.ErrorInfo(
        reason="ORDER_NOT_FOUND", domain="orderflow", metadata={"hint": "look again"}
    )


def test_an_invalid_argument_names_each_field() -> None:
    violations = [FieldViolation("items[1].quantity", "must be more"), FieldViolation("", "exclude each other")]
    status = InvalidArgument("two fields are wrong", violations).status()
    assert info_of(status).reason == "INVALID_FIELD"
    named = detail(status, error_details_pb2.BadRequest).field_violations
    assert [(each.field, each.description, each.reason) for each in named] == [
        ("items[1].quantity", "must be more", "INVALID_FIELD"),
        ("", "exclude each other", "INVALID_FIELD"),
    ]


def test_a_failed_precondition_names_what_forbids_it() -> None:
    status = Forbidden("not now", subject="order/1", metadata={"current_status": "PENDING"}).status()
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert info_of(status).metadata == {"current_status": "PENDING"}
    [violation] = detail(status, error_details_pb2.PreconditionFailure).violations
    assert (violation.type, violation.subject, violation.description) == ("NOT_ALLOWED_IN_STATUS", "order/1", "not now")


def test_a_refusal_for_now_says_when_to_come_again() -> None:
    status = Away("away", retry_after=timedelta(milliseconds=1500)).status()
    delay = detail(status, error_details_pb2.RetryInfo).retry_delay
    assert (delay.seconds, delay.nanos) == (1, 500_000_000)


def test_a_refusal_for_now_leaves_the_delay_to_the_client_where_it_knows_none() -> None:
    assert len(Away("away").status().details) == 1


@pytest.mark.parametrize("reason", [each for each in errors_pb2.ErrorReason.values() if each])
def test_every_reason_has_a_grpc_code(reason: "errors_pb2.ErrorReason.ValueType") -> None:
    refusal = type("Refusal", (ServiceError,), {"reason": reason})("no")
    assert refusal.code not in (grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
    assert refusal.status().code == refusal.code.value[0]
