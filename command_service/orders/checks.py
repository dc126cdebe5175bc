"""The checks of amounts and items that several commands share; each names the field it refuses."""

from collections.abc import Sequence

from google.type import money_pb2

from command_service.errors import AmountOverflow, BelowMinimumAmount, CurrencyMismatch, EmptyOrder
from command_service.orders.money import MAX_UNITS, NANOS_PER_UNIT, Amount, minor_unit_nanos
from orderflow.orders.v1 import order_pb2
from service_kit.errors import FieldViolation, InvalidArgument

MINIMUM_UNITS = 10
MAX_LINES = 500


def check_currency(money: money_pb2.Money, field: str, currency: str) -> None:
    """Returns if the amount is of a real currency, no finer than its minor unit, in the order's currency.

    Args:
        field: path of the money field, for the refusal.
        currency: the order's currency.

    Raises:
        InvalidArgument: no such currency, or nanos finer than its minor unit.
        CurrencyMismatch: another currency than the order's.
    """
    minor_unit = minor_unit_nanos(money.currency_code)
    if minor_unit is None:
        raise InvalidArgument.of(f"{field}.currency_code", "is no currency of ISO 4217 with a minor unit")
    if money.nanos % minor_unit:
        raise InvalidArgument.of(f"{field}.nanos", "is finer than the currency's minor unit")
    if money.currency_code != currency:
        what = f"is {money.currency_code}, but the order is in {currency}"
        raise CurrencyMismatch(f"{field}.currency_code {what}", [FieldViolation(f"{field}.currency_code", what)])


def check_amount(money: money_pb2.Money, field: str, currency: str) -> None:
    """Returns if the amount passes `check_currency` and is not too large.

    Raises:
        InvalidArgument, CurrencyMismatch: as `check_currency`.
        AmountOverflow: larger than any amount that is accepted.
    """
    check_currency(money, field, currency)
    if Amount.of(money).overflows:
        raise _overflow(field)


def check_items(items: Sequence[order_pb2.OrderItem], field: str) -> Amount:
    """The items' total, if they can be an order.

    Raises:
        EmptyOrder: there is none.
        BelowMinimumAmount: their total is under ten whole units.
        InvalidArgument, CurrencyMismatch, AmountOverflow: an amount is not acceptable.
    """
    if not items:
        raise EmptyOrder("an order has at least one item", [FieldViolation(field, "must have at least one item")])
    currency = items[0].unit_price.currency_code
    for index, item in enumerate(items):
        check_amount(item.unit_price, f"{field}[{index}].unit_price", currency)
    total = Amount(currency, sum(Amount.of(item.unit_price).nanos * item.quantity for item in items))
    check_total(total, field)
    return total


def check_total(total: Amount, field: str) -> None:
    """Returns if an order may have this total.

    Raises:
        BelowMinimumAmount, AmountOverflow: naming `field`, which made it so.
    """
    if total.nanos < MINIMUM_UNITS * NANOS_PER_UNIT:
        what = f"the total would be less than {MINIMUM_UNITS}.00 {total.currency}"
        raise BelowMinimumAmount(what, [FieldViolation(field, what)])
    if total.overflows:
        raise _overflow(field)


def _overflow(field: str) -> AmountOverflow:
    what = f"the amount would be more than {MAX_UNITS} units"
    return AmountOverflow(what, [FieldViolation(field, what)])
