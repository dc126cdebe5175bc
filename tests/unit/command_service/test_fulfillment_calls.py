"""The calls of fulfillment: each under the request id of its effect, and what is made of each answer."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest

from command_service.errors import InsufficientStock, NotAllowedInStatus, Overloaded, StoreUnavailable, VersionMismatch
from command_service.fulfillment.calls import GrpcCalls, request_id
from command_service.fulfillment.plan import (
    Accepted,
    Call,
    Cancel,
    Commit,
    Confirm,
    Failed,
    Refused,
    Release,
    Reserve,
)
from orderflow.inventory.v1 import commands_pb2 as stock
from orderflow.orders.v1 import commands_pb2 as orders
from service_kit.errors import InvalidArgument, ServiceError
from tests.support.orders import ORDER_ID
from tests.unit.ordersctl.services import Services, serving

CALLS: list[Call] = [
    Reserve("PEN", 3),
    Commit("PEN"),
    Release("PEN"),
    Release("Kännchen / 5"),
    Confirm(),
    Cancel(3, "out of pens"),
    Cancel(4, "out of pens"),
]


@pytest.fixture
def services() -> Iterator[Services]:
    with serving(Services()) as running:
        yield running


@pytest.fixture
async def calls(services: Services) -> AsyncIterator[GrpcCalls]:
    async with grpc.aio.insecure_channel(services.address) as channel:
        yield GrpcCalls(channel, timeout_seconds=20)


def test_each_effect_has_a_request_id_of_its_own_and_repeats_have_the_same() -> None:
    ids = [request_id(order_id, call) for order_id in (ORDER_ID, str(uuid4())) for call in CALLS]
    assert len(set(ids)) == len(ids)
    assert ids[: len(CALLS)] == [request_id(ORDER_ID, call) for call in CALLS]
    assert all(each.isascii() and each.isprintable() and len(each) <= 128 for each in ids)


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        (Reserve("PEN", 3), lambda id_: stock.ReserveStockRequest(**id_, sku="PEN", quantity=3)),
        (Commit("PEN"), lambda id_: stock.CommitStockRequest(**id_, sku="PEN")),
        (Release("PEN"), lambda id_: stock.ReleaseStockRequest(**id_, sku="PEN")),
        (Confirm(), lambda id_: orders.ConfirmOrderRequest(**id_)),
        (Cancel(3, "late"), lambda id_: orders.CancelOrderRequest(**id_, expected_version=3, reason="late")),
    ],
)
async def test_a_call_is_the_command_of_the_contract(
    services: Services, calls: GrpcCalls, call: Call, request_: Callable[[Any], Any]
) -> None:
    assert await calls.make(ORDER_ID, call) == Accepted()
    assert services.request == request_({"request_id": request_id(ORDER_ID, call), "order_id": ORDER_ID})


@pytest.mark.parametrize(
    "refusal",
    [
        InsufficientStock("3 are wanted", subject="stock_item/PEN"),
        NotAllowedInStatus("no", subject="stock_item/PEN"),
        InvalidArgument.of("quantity", "is too large"),
        VersionMismatch("the current version is 4"),
    ],
    ids=lambda each: each.reason_name,
)
async def test_a_rules_refusal_is_one(services: Services, calls: GrpcCalls, refusal: ServiceError) -> None:
    services.refuse("ReserveStock", refusal)
    assert await calls.make(ORDER_ID, Reserve("PEN", 3)) == Refused(refusal.reason_name, refusal.message)


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), Overloaded("busy")], ids=lambda each: each.reason_name)
async def test_what_may_pass_is_no_refusal(services: Services, calls: GrpcCalls, failure: ServiceError) -> None:
    services.refuse("ReserveStock", failure)
    assert await calls.make(ORDER_ID, Reserve("PEN", 3)) == Failed(f"{failure.reason_name}: {failure.message}")


async def test_an_answer_that_is_none_of_ours_is_no_refusal(services: Services, calls: GrpcCalls) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("not of the contract")

    services.answer("ReserveStock", broken)
    outcome = await calls.make(ORDER_ID, Reserve("PEN", 3))
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("UNKNOWN: ")
