"""A filter becomes conditions; what it cannot say is refused."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_CANCELLED, ORDER_STATUS_PENDING
from orderflow.orders.v1.queries_pb2 import OrderFilter
from query_service.order_filter import conditions, normalized
from service_kit.errors import InvalidArgument

_ID = "3f0c9b1e-7c1d-4f7b-9a55-0c6d2f8e4b10"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (OrderFilter(), []),
        (OrderFilter(customer_id=_ID), [{"term": {"customer_id": _ID}}]),
        (
            OrderFilter(statuses=[ORDER_STATUS_PENDING, ORDER_STATUS_CANCELLED]),
            [{"terms": {"status": ["PENDING", "CANCELLED"]}}],
        ),
        (OrderFilter(tracking_number="T 1"), [{"term": {"tracking_number": "T 1"}}]),
        (
            OrderFilter(create_time_range=Interval(start_time=Timestamp(seconds=1), end_time=Timestamp(seconds=2))),
            [{"range": {"create_time_us": {"gte": 1_000_000, "lt": 2_000_000}}}],
        ),
        (OrderFilter(create_time_range=Interval()), []),
    ],
)
def test_each_field_is_a_condition_of_its_own(given: OrderFilter, expected: list[dict[str, Any]]) -> None:
    assert conditions(given) == expected


@pytest.mark.parametrize(("nanos", "first"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)])
def test_a_time_between_microseconds_admits_what_comes_after_it(nanos: int, first: int) -> None:
    bound = Timestamp(seconds=5, nanos=nanos)
    given = OrderFilter(create_time_range=Interval(start_time=bound, end_time=bound))
    expected = 5_000_000 + first
    assert conditions(given) == [{"range": {"create_time_us": {"gte": expected, "lt": expected}}}]


@pytest.mark.parametrize(
    ("money", "e4"),
    [
        (Money(currency_code="EUR", units=10, nanos=10_000_000), 100_100),
        (Money(currency_code="JPY", units=10), 100_000),
        (Money(currency_code="KWD", units=1, nanos=1_000_000), 10_010),
        (Money(currency_code="EUR", units=2**63 - 1), 2**63 - 1),
    ],
)
def test_amounts_count_in_ten_thousandths_whatever_the_currency(money: Money, e4: int) -> None:
    currency = {"term": {"currency": money.currency_code}}
    assert conditions(OrderFilter(min_total=money)) == [currency, {"range": {"total_e4": {"gte": e4}}}]
    assert conditions(OrderFilter(max_total=money)) == [currency, {"range": {"total_e4": {"lte": e4}}}]


@pytest.mark.parametrize(
    ("money", "field"),
    [
        (Money(currency_code="EUR", units=1, nanos=1_000_000), "nanos"),
        (Money(currency_code="JPY", nanos=500_000_000), "nanos"),
        (Money(currency_code="QQQ"), "currency_code"),
    ],
)
def test_amounts_that_no_order_can_have_are_refused(money: Money, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        conditions(OrderFilter(max_total=money))
    assert [each.field for each in refused.value.violations] == [f"filter.max_total.{field}"]


def test_all_spellings_of_a_filter_become_one() -> None:
    one = OrderFilter(
        customer_id=_ID.upper(), statuses=[ORDER_STATUS_CANCELLED, ORDER_STATUS_PENDING, ORDER_STATUS_CANCELLED]
    )
    other = OrderFilter(customer_id=_ID, statuses=[ORDER_STATUS_PENDING, ORDER_STATUS_CANCELLED])
    assert normalized(one) == other
    assert one.customer_id == _ID.upper()
