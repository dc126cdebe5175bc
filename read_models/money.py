"""Sums of google.type.Money, exact, and amounts in the minor unit of their currency."""

from google.type import money_pb2
from iso4217 import Currency

_NANOS = 10**9
_USUAL_EXPONENT = 2


def zero(currency: str) -> money_pb2.Money:
    """Nothing, in a currency."""
    return money_pb2.Money(currency_code=currency)


def add(first: money_pb2.Money, second: money_pb2.Money) -> money_pb2.Money:
    """The sum of two amounts of one currency; negative ones are not handled, as no event holds one."""
    units, nanos = divmod(_in_nanos(first) + _in_nanos(second), _NANOS)
    return money_pb2.Money(currency_code=first.currency_code or second.currency_code, units=units, nanos=nanos)


def in_minor_units(money: money_pb2.Money) -> int:
    """The amount in the currency's smallest unit, e.g. cents; finer parts, which no event has, are cut off.

    A currency that ISO 4217 has dropped since (history keeps it) counts as one with two decimals.
    """
    try:
        exponent = Currency(money.currency_code).exponent
    except ValueError:
        exponent = _USUAL_EXPONENT
    return int(_in_nanos(money) * 10 ** (exponent or 0) // _NANOS)


def _in_nanos(money: money_pb2.Money) -> int:
    return int(money.units) * _NANOS + int(money.nanos)
