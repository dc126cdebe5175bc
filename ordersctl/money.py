"""Amounts of money between people and the contract, exactly."""

import re

from google.type import money_pb2
from iso4217 import Currency

_AMOUNT = re.compile(r"(?P<units>[0-9]{1,19})(?:\.(?P<fraction>[0-9]{1,9}))?")
_NANO_DIGITS = 9


def parse(text: str, currency_code: str) -> money_pb2.Money:
    """The amount that a decimal string such as "19.99" says.

    Raises:
        ValueError: it is not a plain decimal number of zero or more, or does not fit.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None or int(match["units"]) >= 2**63:
        raise ValueError(f"{text!r} is not an amount such as 19.99")
    nanos = int((match["fraction"] or "").ljust(_NANO_DIGITS, "0"))
    return money_pb2.Money(currency_code=currency_code, units=int(match["units"]), nanos=nanos)


def show(money: money_pb2.Money) -> str:
    """The amount with its currency's digits, or more where it has more: "19.90 EUR", "500 JPY"."""
    digits = f"{abs(money.nanos):0{_NANO_DIGITS}d}"
    shown = max(len(digits.rstrip("0")), _minor_digits(money.currency_code))
    sign = "-" if money.units < 0 or money.nanos < 0 else ""
    point = "." if shown else ""
    return f"{sign}{abs(money.units)}{point}{digits[:shown]} {money.currency_code}".strip()


def _minor_digits(currency_code: str) -> int:
    try:
        return Currency(currency_code).exponent or 0
    except ValueError:  # a currency that this table does not know
        return 0
