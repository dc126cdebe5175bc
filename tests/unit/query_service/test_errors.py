"""Each refusal of the query service has a reason of its own, and each is used."""

import inspect

import grpc
import pytest

from query_service import errors
from service_kit.errors import ServiceError

_REFUSALS = {
    name: each
    for name, each in vars(errors).items()
    if inspect.isclass(each) and issubclass(each, ServiceError) and each.__module__ == errors.__name__
}


@pytest.mark.parametrize(
    ("name", "reason", "code"),
    [
        ("OrderNotFound", "ORDER_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
        ("StockItemNotFound", "STOCK_ITEM_NOT_FOUND", grpc.StatusCode.NOT_FOUND),
        ("EventualConsistencyTimeout", "EVENTUAL_CONSISTENCY_TIMEOUT", grpc.StatusCode.UNAVAILABLE),
        ("ReadModelUnavailable", "READ_MODEL_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE),
        ("ReadModelBusy", "OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("Overloaded", "OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("EventLogUnavailable", "STORE_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_a_refusal_has_the_contracts_reason_and_code(name: str, reason: str, code: grpc.StatusCode) -> None:
    refusal = _REFUSALS[name].__new__(_REFUSALS[name])
    assert (refusal.reason_name, refusal.code) == (reason, code)


def test_no_refusal_is_missing_here() -> None:
    assert len(_REFUSALS) == 7
