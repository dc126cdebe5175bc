"""Requests that break a rule of their proto: refused before the method, naming every field."""

from typing import NoReturn, cast

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.type.money_pb2 import Money
from protovalidate import Validator

from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import order_pb2
from orderflow.orders.v1 import queries_pb2 as queries
from service_kit.errors import FieldViolation, InvalidArgument
from service_kit.grpc_validation import check
from tests.support.orders import create, item
from tests.unit.service_kit.in_process import ORDER_ID, Server, detail, info_of, status_of

VALIDATOR = Validator()


def refused(request: Message) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as refusal:
        check(VALIDATOR, request)
    return refusal.value


def fields(request: Message) -> list[str]:
    return [each.field for each in refused(request).violations]


def test_a_request_that_keeps_the_rules_passes() -> None:
    check(VALIDATOR, create())


def test_a_wrong_field_is_named() -> None:
    assert fields(create(customer_id="me")) == ["customer_id"]


def test_a_field_inside_a_list_is_named_with_its_index() -> None:
    assert fields(create(item(), item(quantity=0))) == ["items[1].quantity"]


def test_a_field_deep_inside_is_named_from_the_top() -> None:
    priced = order_pb2.OrderItem(sku="PEN", product_name="Pen", quantity=1, unit_price=Money(currency_code="euro"))
    assert fields(commands.AddItemRequest(order_id=ORDER_ID, item=priced)) == ["item.unit_price"]


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = create(item(quantity=0), customer_id="me", request_id="\n")
    assert sorted(fields(wrong)) == ["customer_id", "items[0].quantity", "request_id"]


def test_a_rule_about_several_fields_names_none_but_says_what_it_wants() -> None:
    refusal = refused(queries.GetOrderRequest(order_id=ORDER_ID, min_version=1, at_version=1))
    [violation] = refusal.violations
    assert violation.field == ""
    assert "at_version" in violation.description
    assert str(refusal) == violation.description


async def test_a_method_is_not_called_with_a_request_that_breaks_a_rule(server: Server) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await server.get(queries.GetOrderRequest(order_id="order-1"))
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = status_of(refusal.value)
    assert info_of(status).reason == "INVALID_FIELD"
    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert violation.field == "order_id"
    assert not server.scripted.called.is_set()


async def test_a_request_with_very_many_wrong_fields_is_still_refused_as_documented(server: Server) -> None:
    """A status travels in headers: a client drops the whole answer when they are too long."""
    request = queries.GetOrderRequest(order_id="order-1", consistency_tokens=["t" * 3000] * 100)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await server.get(request)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = status_of(refusal.value)
    named = [each.field for each in detail(status, error_details_pb2.BadRequest).field_violations]
    assert named[0] == "order_id"
    assert len(named) == 21


def test_of_a_list_that_is_too_long_no_element_is_looked_at() -> None:
    """A million wrong elements take a minute, in which the server answers nobody."""

    class NeverAsked:
        def collect_violations(self, _: Message) -> NoReturn:
            raise AssertionError

    statuses = queries.OrderFilter(statuses=[0] * 1_000_000)  # type: ignore[list-item]
    for request, field, most in (
        (queries.ListOrdersRequest(filter=statuses), "filter.statuses", 20),
        (queries.SearchOrdersRequest(facets=[0] * 1_000_000), "facets", 10),  # type: ignore[list-item]
        (queries.GetOrderRequest(consistency_tokens=[""] * 1_000_000), "consistency_tokens", 100),
    ):
        with pytest.raises(InvalidArgument) as refusal:
            check(cast("Validator", NeverAsked()), request)
        assert refusal.value.violations == (FieldViolation(field, f"must not hold more than {most}"),)


def test_of_very_many_wrong_fields_the_first_are_named_and_the_rest_counted() -> None:
    refusal = refused(create(*[item(quantity=0)] * 500))
    *named, rest = refusal.violations
    assert [each.field for each in named] == [f"items[{index}].quantity" for index in range(20)]
    assert (rest.field, rest.description) == ("", "and 480 more violations")
    assert str(refusal).endswith("; and 497 more")
    assert len(refusal.status().SerializeToString()) < 6000
