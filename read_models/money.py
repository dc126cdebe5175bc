"""Sums of google.type.Money, exact, and amounts as numbers that compare across currencies."""

from google.type import money_pb2

_NANOS = 10**9


def zero(currency: str) -> money_pb2.Money:
    """Nothing, in a currency."""
    return money_pb2.Money(currency_code=currency)


def add(first: money_pb2.Money, second: money_pb2.Money) -> money_pb2.Money:
    """The sum of two amounts of one currency; negative ones are not handled, as no event holds one."""
    units, nanos = divmod(_in_nanos(first) + _in_nanos(second), _NANOS)
    return money_pb2.Money(currency_code=first.currency_code or second.currency_code, units=units, nanos=nanos)


def subtract(first: money_pb2.Money, second: money_pb2.Money) -> money_pb2.Money:
    """The first amount less the second, of one currency, which is at most as much."""
    units, nanos = divmod(_in_nanos(first) - _in_nanos(second), _NANOS)
    return money_pb2.Money(currency_code=first.currency_code, units=units, nanos=nanos)


def in_ten_thousandths(money: money_pb2.Money) -> int:
    """The amount in 10^-4 of a unit, into which the minor unit of every currency fits: numbers that compare.

    Finer parts, which no event has, are cut off.
    """
    return _in_nanos(money) // 10**5


def of_ten_thousandths(amount: int, currency: str) -> money_pb2.Money:
    """The amount of so many 10^-4 of a unit."""
    units, rest = divmod(amount, 10**4)
    return money_pb2.Money(currency_code=currency, units=units, nanos=rest * 10**5)


def _in_nanos(money: money_pb2.Money) -> int:
    return int(money.units) * _NANOS + int(money.nanos)
