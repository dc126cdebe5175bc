"""Each reason that the command side gives has one error, and each error one reason."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import command_service.errors
from orderflow.common.v1 import errors_pb2
from service_kit.errors import FailedPrecondition, InvalidArgument, ServiceError

# What the comments of the command side's services name, less what comes with authentication and limits.
CONTRACTS = ["orders/v1/command_service", "customers/v1/customer_service", "events/v1/event_log"]
CONTRACTS += ["inventory/v1/inventory_command_service", "admin/v1/relay_admin_service", "orders/v1/order"]
LATER_WORK = {"UNAUTHENTICATED", "PERMISSION_DENIED", "RATE_LIMITED"}
PRECONDITIONS = {"ALREADY_CANCELLED", "CANNOT_CANCEL_DELIVERED_ORDER", "NOT_ALLOWED_IN_STATUS", "INSUFFICIENT_STOCK"}


def promised() -> set[str]:
    """The reasons that the command side's contracts speak of."""
    protos = Path(__file__).parents[3] / "protos" / "orderflow"
    text = "".join((protos / f"{contract}.proto").read_text() for contract in CONTRACTS)
    words = set(re.findall(r"[A-Z]+(?:_[A-Z]+)+|UNAUTHENTICATED|OVERLOADED", text))
    return words & {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118


def used() -> list[type[ServiceError]]:
    """The command side's errors, and the one of service_kit that has a reason by itself."""
    own = [each for each in vars(command_service.errors).values() if isinstance(each, type)]
    return [*(each for each in own if each.__module__ == command_service.errors.__name__), InvalidArgument]


def names(errors: list[type[ServiceError]]) -> Iterator[str]:
    for each in errors:
        yield errors_pb2.ErrorReason.Name(each.reason).removeprefix("ERROR_REASON_")


def test_every_promised_reason_has_exactly_one_error_and_every_error_is_promised() -> None:
    assert Counter(names(used())) == Counter(promised() - LATER_WORK)


def test_preconditions_say_what_forbids_them() -> None:
    told = {name for each, name in zip(used(), names(used()), strict=True) if issubclass(each, FailedPrecondition)}
    assert told == PRECONDITIONS & set(names(used()))


def test_invalid_arguments_name_the_field() -> None:
    told = {name for each, name in zip(used(), names(used()), strict=True) if issubclass(each, InvalidArgument)}
    declared = errors_pb2.ErrorReason.DESCRIPTOR.values_by_name
    invalid = {
        name
        for name in names(used())
        if declared[f"ERROR_REASON_{name}"].GetOptions().Extensions[errors_pb2.grpc_code] == 3  # INVALID_ARGUMENT
    }
    assert told == invalid
