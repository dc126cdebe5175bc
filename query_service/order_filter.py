"""Which orders a list or search admits, as conditions of Elasticsearch."""

import operator
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from iso4217 import Currency

from orderflow.orders.v1 import order_pb2, queries_pb2
from service_kit.errors import InvalidArgument

_NANOS_PER_UNIT = 10**9
_MAX_LONG = 2**63 - 1
_STATUS_PREFIX = "ORDER_STATUS_"
_BOUNDS = {"gte": operator.ge, "lt": operator.lt, "lte": operator.le}

Condition = dict[str, Any]

_LASTING = {"customer_id", "currency", "create_time_us"}
"""Fields of a document that never change."""


def normalized(given: queries_pb2.OrderFilter) -> queries_pb2.OrderFilter:
    """The same filter in the one form that all its spellings share."""
    same = queries_pb2.OrderFilter()
    same.CopyFrom(given)
    same.customer_id = given.customer_id.lower()
    same.statuses[:] = sorted(set(given.statuses))
    return same


def conditions(given: queries_pb2.OrderFilter) -> list[Condition]:
    """The conditions that an order must all meet.

    Args:
        given: a normalized filter whose form was checked.

    Raises:
        InvalidArgument: an amount is in no known currency, or finer than its currency's minor unit.
    """
    found: list[Condition] = []
    if given.customer_id:
        found.append({"term": {"customer_id": given.customer_id}})
    if given.statuses:
        names = [order_pb2.OrderStatus.Name(each).removeprefix(_STATUS_PREFIX) for each in given.statuses]
        found.append({"terms": {"status": names}})
    if given.tracking_number:
        found.append({"term": {"tracking_number": given.tracking_number}})
    created = _create_time(given)
    if created:
        found.append({"range": {"create_time_us": created}})
    return found + _total(given)


def lasting(given: list[Condition]) -> list[Condition]:
    """Those of the conditions that an order which once met them meets for ever."""
    return [each for each in given if _field(each) in _LASTING]


def meets(document: Mapping[str, Any], given: list[Condition]) -> bool:
    """True when the document meets the conditions, as Elasticsearch would say."""
    return all(_meets(document[_field(each)], each) for each in given)


def _field(condition: Condition) -> str:
    (operands,) = condition.values()
    (field,) = operands
    return str(field)


def _meets(value: Any, condition: Condition) -> bool:
    match condition:
        case {"term": operands}:
            return value in operands.values()
        case {"terms": operands}:
            return any(value in wanted for wanted in operands.values())
        case {"range": operands}:
            (bounds,) = operands.values()
            return all(_BOUNDS[name](value, bound) for name, bound in bounds.items())
        case _:
            raise ValueError(f"no filter has the condition {condition}")


def _create_time(given: queries_pb2.OrderFilter) -> Condition:
    between = given.create_time_range
    bounds: Condition = {}
    if between.HasField("start_time"):
        bounds["gte"] = _microseconds_up(between.start_time)
    if between.HasField("end_time"):
        bounds["lt"] = _microseconds_up(between.end_time)
    return bounds


def _microseconds_up(time: Timestamp) -> int:
    """The first whole microsecond at or after a time: the index keeps no finer ones."""
    return time.seconds * 10**6 + -(-time.nanos // 1000)


def _total(given: queries_pb2.OrderFilter) -> list[Condition]:
    bounds: Condition = {}
    if given.HasField("min_total"):
        bounds["gte"] = _ten_thousandths(given.min_total, "filter.min_total")
    if given.HasField("max_total"):
        bounds["lte"] = _ten_thousandths(given.max_total, "filter.max_total")
    currency = given.min_total.currency_code or given.max_total.currency_code
    return [{"term": {"currency": currency}}, {"range": {"total_e4": bounds}}] if bounds else []


def _ten_thousandths(money: Money, field: str) -> int:
    """The amount as the index keeps totals: in 10^-4 of a unit."""
    try:
        exponent: int = Currency(money.currency_code).exponent or 0
    except ValueError:
        raise InvalidArgument.of(f"{field}.currency_code", "is no currency of ISO 4217") from None
    if money.nanos * 10**exponent % _NANOS_PER_UNIT:
        raise InvalidArgument.of(f"{field}.nanos", f"is finer than the minor unit of {money.currency_code}")
    return min(money.units * 10**4 + money.nanos // 10**5, _MAX_LONG)
