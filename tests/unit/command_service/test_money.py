"""Money is whole numbers, exact, and never a float."""

import pytest
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

from command_service.orders.money import MAX_UNITS, NANOS_PER_UNIT, Amount, minor_unit_nanos


@given(st.integers(-(2**63 - 1) * NANOS_PER_UNIT, (2**63 - 1) * NANOS_PER_UNIT))
def test_an_amount_survives_the_way_to_money_and_back(nanos: int) -> None:
    money = Amount("EUR", nanos).to_money()
    assert Amount.of(money) == Amount("EUR", nanos)
    assert money.units * money.nanos >= 0, "units and nanos have one sign"
    assert abs(money.nanos) < NANOS_PER_UNIT


def test_a_negative_amount_under_one_unit_has_negative_nanos() -> None:
    assert Amount("EUR", -250_000_000).to_money() == Money(currency_code="EUR", units=0, nanos=-250_000_000)


@pytest.mark.parametrize(
    ("currency", "nanos"),
    [
        ("EUR", 10**7),
        ("JPY", 10**9),
        ("KWD", 10**6),
        ("CLF", 10**5),
        ("MRU", 10**7),
        ("XAU", None),
        ("XXX", None),
        ("EUX", None),
    ],
)
def test_each_currency_has_its_own_smallest_amount(currency: str, nanos: int | None) -> None:
    assert minor_unit_nanos(currency) == nanos


def test_an_amount_overflows_above_the_greatest_one() -> None:
    assert not Amount("EUR", MAX_UNITS * NANOS_PER_UNIT).overflows
    assert Amount("EUR", MAX_UNITS * NANOS_PER_UNIT + 1).overflows
