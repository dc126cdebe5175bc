"""The reasons of refusals and the gRPC codes that they are always sent with."""

from google.rpc import code_pb2

from orderflow.common.v1 import errors_pb2

CODES = {
    "INVALID_FIELD": "INVALID_ARGUMENT",
    "EMPTY_ORDER": "INVALID_ARGUMENT",
    "BELOW_MINIMUM_AMOUNT": "INVALID_ARGUMENT",
    "CURRENCY_MISMATCH": "INVALID_ARGUMENT",
    "AMOUNT_OVERFLOW": "INVALID_ARGUMENT",
    "REQUEST_ID_REUSED": "INVALID_ARGUMENT",
    "TOKEN_INVALID": "INVALID_ARGUMENT",
    "ORDER_NOT_FOUND": "NOT_FOUND",
    "CUSTOMER_NOT_FOUND": "NOT_FOUND",
    "STOCK_ITEM_NOT_FOUND": "NOT_FOUND",
    "ORDER_ALREADY_EXISTS": "ALREADY_EXISTS",
    "CUSTOMER_ALREADY_EXISTS": "ALREADY_EXISTS",
    "ALREADY_CANCELLED": "FAILED_PRECONDITION",
    "CANNOT_CANCEL_DELIVERED_ORDER": "FAILED_PRECONDITION",
    "NOT_ALLOWED_IN_STATUS": "FAILED_PRECONDITION",
    "INSUFFICIENT_STOCK": "FAILED_PRECONDITION",
    "VERSION_MISMATCH": "ABORTED",
    "EVENTUAL_CONSISTENCY_TIMEOUT": "UNAVAILABLE",
    "STORE_UNAVAILABLE": "UNAVAILABLE",
    "READ_MODEL_UNAVAILABLE": "UNAVAILABLE",
    "OVERLOADED": "RESOURCE_EXHAUSTED",
    "RATE_LIMITED": "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED": "UNAUTHENTICATED",
    "PERMISSION_DENIED": "PERMISSION_DENIED",
    "NOT_IMPLEMENTED": "UNIMPLEMENTED",
    "PROJECTION_NOT_FOUND": "NOT_FOUND",
    "GENERATION_NOT_FOUND": "NOT_FOUND",
    "REBUILD_RUNNING": "FAILED_PRECONDITION",
    "GENERATION_BEHIND": "FAILED_PRECONDITION",
    "QUARANTINE_ENTRY_NOT_FOUND": "NOT_FOUND",
    "CANNOT_SKIP_CREATION": "FAILED_PRECONDITION",
}


def declared_codes() -> dict[str, str]:
    """Names of gRPC codes by reason, as the option on each value declares them."""
    return {
        value.name.removeprefix("ERROR_REASON_"): code_pb2.Code.Name(
            value.GetOptions().Extensions[errors_pb2.grpc_code]
        )
        for value in errors_pb2.ErrorReason.DESCRIPTOR.values
    }


def test_every_reason_is_declared_with_its_grpc_code() -> None:
    assert declared_codes() == CODES | {"UNSPECIFIED": "UNKNOWN"}
