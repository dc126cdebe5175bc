from decimal import Decimal

import pytest
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

from ordersctl import money


@pytest.mark.parametrize(
    ("text", "units", "nanos"),
    [
        ("19.99", 19, 990_000_000),
        ("0.1", 0, 100_000_000),
        ("0", 0, 0),
        ("007.50", 7, 500_000_000),
        ("0.000000001", 0, 1),
        ("9223372036854775807.999999999", 2**63 - 1, 999_999_999),
    ],
)
def test_a_decimal_string_becomes_the_exact_amount(text: str, units: int, nanos: int) -> None:
    assert money.parse(text, "EUR") == Money(currency_code="EUR", units=units, nanos=nanos)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1e3",
        "1,50",
        "1.",
        ".5",
        "NaN",
        "1.0000000001",
        " 1",
        "9223372036854775808",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount such as"):
        money.parse(text, "EUR")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Money(currency_code="EUR", units=19, nanos=900_000_000), "19.90 EUR"),
        (Money(currency_code="JPY", units=500), "500 JPY"),
        (Money(currency_code="KWD", units=1), "1.000 KWD"),
        (Money(currency_code="EUR", nanos=1_000_000), "0.001 EUR"),
        (Money(currency_code="EUR", units=-1, nanos=-500_000_000), "-1.50 EUR"),
        (Money(currency_code="EUR", nanos=-500_000_000), "-0.50 EUR"),
        (Money(currency_code="???", units=3), "3 ???"),
        (Money(), "0"),
    ],
)
def test_an_amount_is_shown_with_the_digits_of_its_currency(amount: Money, shown: str) -> None:
    assert money.show(amount) == shown


@given(st.decimals(min_value=0, max_value=10**12, places=9))
def test_no_digit_is_lost_between_reading_and_showing(amount: Decimal) -> None:
    assert Decimal(money.show(money.parse(f"{amount:f}", "EUR")).removesuffix(" EUR")) == amount
