"""Exact money: whole numbers of nanos (10^-9 units) of a currency, to and from google.type.Money."""

from dataclasses import dataclass
from functools import lru_cache

from google.type import money_pb2
from iso4217 import Currency

NANOS_PER_UNIT = 10**9
MAX_UNITS = 10**14
"""No amount is larger. It leaves room for sums over orders, and for minor units in 64 bits in every currency."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of a currency, exact.

    Args:
        currency: ISO 4217 code; empty only for nothing at all.
        nanos: the whole amount in 10^-9 units.
    """

    currency: str = ""
    nanos: int = 0

    @classmethod
    def of(cls, money: money_pb2.Money) -> "Amount":
        """The same amount."""
        return cls(money.currency_code, money.units * NANOS_PER_UNIT + money.nanos)

    def to_money(self) -> money_pb2.Money:
        """The same amount, with `units` and `nanos` of the same sign."""
        sign = -1 if self.nanos < 0 else 1
        units, nanos = divmod(abs(self.nanos), NANOS_PER_UNIT)
        return money_pb2.Money(currency_code=self.currency, units=sign * units, nanos=sign * nanos)

    @property
    def overflows(self) -> bool:
        """True when the amount is larger than any that is accepted."""
        return self.nanos > MAX_UNITS * NANOS_PER_UNIT


@lru_cache(maxsize=1000)  # more than there are currencies: what is none comes from callers
def minor_unit_nanos(currency: str) -> int | None:
    """How many nanos the smallest amount of a currency has.

    None when ISO 4217 has no such currency, or it has no minor unit: gold, test codes and the code for none.
    """
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        return None
    return None if exponent is None else int(NANOS_PER_UNIT // 10**exponent)
