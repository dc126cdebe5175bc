import json
import socket
import time
from datetime import timedelta

import pytest

from command_service.errors import (
    CannotCancelDeliveredOrder,
    OrderAlreadyExists,
    OrderNotFound,
    RequestIdReused,
    StoreUnavailable,
    VersionMismatch,
)
from orderflow.common.v1.errors_pb2 import (
    ERROR_REASON_NOT_IMPLEMENTED,
    ERROR_REASON_OVERLOADED,
    ERROR_REASON_PERMISSION_DENIED,
)
from orderflow.orders.v1.commands_pb2 import ConfirmOrderRequest, ConfirmOrderResponse
from service_kit.errors import FieldViolation, InvalidArgument, ServiceError, TryLater
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ORDER = "0d5f8d0c-7a44-4b3e-9a43-0c2f6f3d1a01"
DELIVERED = {"current_status": "DELIVERED", "current_version": "5", "allowed_commands": ""}
CONFIRM = ("order", "confirm", ORDER, "--request-id", "r-1")


class Overloaded(TryLater):
    """The server has enough to do."""

    reason = ERROR_REASON_OVERLOADED


class PermissionDenied(ServiceError):
    """The caller may not."""

    reason = ERROR_REASON_PERMISSION_DENIED


class NotOffered(ServiceError):
    """The server is older than the contract."""

    reason = ERROR_REASON_NOT_IMPLEMENTED


@pytest.mark.parametrize(
    ("refusal", "exit_code", "parts"),
    [
        (
            InvalidArgument(
                "2 fields are wrong", [FieldViolation("items[0].sku", "is blank"), FieldViolation("x", "y")]
            ),
            1,
            ["refused: INVALID_FIELD: 2 fields are wrong", "items[0].sku: is blank", "x: y"],
        ),
        (
            CannotCancelDeliveredOrder("too late", subject="order/1", metadata=DELIVERED),
            1,
            ["refused: CANNOT_CANCEL_DELIVERED_ORDER", "current status: DELIVERED", "allowed commands: none"],
        ),
        (OrderNotFound("no order"), 1, ["refused: ORDER_NOT_FOUND", "--token"]),
        (OrderAlreadyExists("taken"), 1, ["refused: ORDER_ALREADY_EXISTS"]),
        (VersionMismatch("4 now", metadata={"current_version": "4"}), 1, ["VERSION_MISMATCH", "current version: 4"]),
        (RequestIdReused("other", [FieldViolation("request_id", "used")]), 1, ["choose a new --request-id"]),
        (StoreUnavailable("away"), 3, ["unavailable: STORE_UNAVAILABLE", "repeat it with --request-id r-1"]),
        (Overloaded("busy", retry_after=timedelta(seconds=1.5)), 3, ["unavailable: OVERLOADED", "try again in 1.5 s"]),
        (NotOffered("not offered"), 4, ["failed: NOT_IMPLEMENTED"]),
        (PermissionDenied("no"), 4, ["failed: PERMISSION_DENIED"]),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_status(
    services: Services, run: Run, refusal: ServiceError, exit_code: int, parts: list[str]
) -> None:
    services.refuse("ConfirmOrder", refusal)
    result = run("--table", *CONFIRM)
    assert result.exit_code == exit_code
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    for part in parts:
        assert part in line


def test_a_field_that_the_message_names_is_not_said_twice(services: Services, run: Run) -> None:
    services.refuse("ConfirmOrder", InvalidArgument.of("order_id", "must be a UUID"))
    assert run("--table", *CONFIRM).stderr.count("must be a UUID") == 1


def test_a_field_is_named_where_the_message_says_only_what_is_wrong(services: Services, run: Run) -> None:
    services.refuse("ConfirmOrder", InvalidArgument("too little", [FieldViolation("items", "too little")]))
    assert run("--table", *CONFIRM).stderr == "refused: INVALID_FIELD: too little · field items\n"


def test_programs_get_an_error_object(services: Services, run: Run) -> None:
    services.refuse("ConfirmOrder", VersionMismatch("4 now", metadata={"current_version": "4"}))
    result = run("--json", *CONFIRM)
    assert json.loads(result.stderr) == {
        "error": {
            "code": "ABORTED",
            "reason": "VERSION_MISMATCH",
            "message": "4 now",
            "metadata": {"current_version": "4"},
            "advice": "read the order again, decide again, and pass the version you saw",
        }
    }


@pytest.mark.parametrize("refusal", [StoreUnavailable("away"), Overloaded("busy"), ServiceError("an internal error")])
def test_programs_learn_what_to_repeat_with_where_a_repeat_can_help(
    services: Services, run: Run, refusal: ServiceError
) -> None:
    services.refuse("ConfirmOrder", refusal)
    assert json.loads(run("--json", *CONFIRM).stderr)["error"]["repeat_with"] == {"--request-id": "r-1"}


@pytest.mark.parametrize(
    "refusal", [OrderNotFound("no order"), PermissionDenied("no"), NotOffered("not offered"), InvalidArgument("x", [])]
)
def test_a_repeat_that_would_fail_again_is_not_spoken_of(services: Services, run: Run, refusal: ServiceError) -> None:
    services.refuse("ConfirmOrder", refusal)
    assert "r-1" not in run("--json", *CONFIRM).stderr
    assert "r-1" not in run("--table", *CONFIRM).stderr


def test_where_nobody_answers_the_line_asks_whether_the_stack_runs(run: Run) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        result = run("--table", "--command-address", address, *CONFIRM)
    assert result.exit_code == 3
    for part in ("unavailable: ", address, "make run", "--request-id r-1"):
        assert part in result.stderr


def test_a_late_answer_says_that_the_outcome_is_not_known(services: Services, run: Run) -> None:
    def late(_: ConfirmOrderRequest) -> ConfirmOrderResponse:
        time.sleep(0.2)
        return ConfirmOrderResponse()

    services.answer("ConfirmOrder", late)
    result = run("--table", *CONFIRM, "--timeout", "0.05")
    assert result.exit_code == 3
    for part in ("DEADLINE_EXCEEDED", "the outcome is not known", "--request-id r-1"):
        assert part in result.stderr


def test_a_late_chunk_of_a_list_is_not_waited_for(services: Services, run: Run) -> None:
    def late(_: object) -> list[ConfirmOrderResponse]:
        time.sleep(0.2)
        return []

    services.answer("ListOrders", late)
    result = run("--table", "order", "list", "--timeout", "0.05")
    assert result.exit_code == 3
    assert "DEADLINE_EXCEEDED: nothing more came within 0.05 s" in result.stderr
