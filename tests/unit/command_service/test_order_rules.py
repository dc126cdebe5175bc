"""The rules of orders: each reason of the contract, with the fields and facts that go with it."""

import pytest
from google.protobuf.message import Message

from orderflow.orders.v1 import order_pb2
from tests.support.orders import (
    DELIVERY,
    NOW,
    add,
    cancel,
    cancelled,
    confirm,
    confirmed,
    create,
    created,
    deliver,
    delivered,
    given,
    item,
    item_added,
    item_removed,
    paid,
    pay,
    refund,
    refunded,
    remove,
    ship,
    shipped,
)

HUNDRED_TRILLION = "100000000000000"


def test_an_order_is_created_pending_with_its_exact_total() -> None:
    pens, ink = item("0.10", quantity=3), item("9.71", sku="INK")
    given().when(create(pens, ink)).then(created(pens, ink, total="10.01"))


def test_an_order_without_items_is_refused() -> None:
    given().when(create(items=[])).then_refused("EMPTY_ORDER", "items").telling()


def test_an_order_of_exactly_ten_units_is_accepted() -> None:
    given().when(create(item("10.00"))).then(created())


@pytest.mark.parametrize(("price", "currency"), [("9.99", "EUR"), ("9", "JPY"), ("9.999", "KWD"), ("0", "EUR")])
def test_an_order_under_ten_whole_units_of_its_currency_is_refused(price: str, currency: str) -> None:
    given().when(create(item(price, currency=currency))).then_refused("BELOW_MINIMUM_AMOUNT", "items")


@pytest.mark.parametrize(("price", "currency"), [("10", "JPY"), ("10.001", "KWD"), ("10.0001", "CLF")])
def test_amounts_down_to_the_currencys_minor_unit_are_accepted(price: str, currency: str) -> None:
    line = item(price, currency=currency)
    given().when(create(line)).then(created(line, total=price, currency=currency))


@pytest.mark.parametrize(
    ("price", "currency"),
    [("10.001", "EUR"), ("10.5", "JPY"), ("10.0001", "KWD"), ("10.00001", "CLF"), ("10.000000001", "EUR")],
)
def test_amounts_finer_than_the_currencys_minor_unit_are_refused(price: str, currency: str) -> None:
    refused = given().when(create(item(price, currency=currency)))
    refused.then_refused("INVALID_FIELD", "items[0].unit_price.nanos")


def test_a_currency_that_iso_4217_does_not_know_is_refused() -> None:
    refused = given().when(create(item(), item(currency="EUX")))
    refused.then_refused("INVALID_FIELD", "items[1].unit_price.currency_code")


def test_an_order_in_two_currencies_is_refused_naming_the_second() -> None:
    refused = given().when(create(item(), item(), item(currency="USD")))
    refused.then_refused("CURRENCY_MISMATCH", "items[2].unit_price.currency_code")


def test_an_amount_over_a_hundred_trillion_units_is_refused() -> None:
    refused = given().when(create(item(), item(f"{HUNDRED_TRILLION}.01")))
    refused.then_refused("AMOUNT_OVERFLOW", "items[1].unit_price")


def test_a_total_over_a_hundred_trillion_units_is_refused() -> None:
    refused = given().when(create(item(HUNDRED_TRILLION), item("0.01")))
    refused.then_refused("AMOUNT_OVERFLOW", "items")


def test_a_total_that_fits_no_machine_integer_is_refused_the_same() -> None:
    refused = given().when(create(item(HUNDRED_TRILLION, quantity=1_000_000)))
    refused.then_refused("AMOUNT_OVERFLOW", "items")


def test_a_total_of_exactly_a_hundred_trillion_units_is_accepted() -> None:
    line = item(HUNDRED_TRILLION)
    given().when(create(line)).then(created(line, total=HUNDRED_TRILLION))


def test_an_order_is_moved_on_by_whom_its_creation_says_and_by_hand_where_it_says_nothing() -> None:
    given().when(create(fulfillment_mode=order_pb2.FULFILLMENT_MODE_AUTOMATIC)).then(created(automatic=True))
    given().when(create(fulfillment_mode=order_pb2.FULFILLMENT_MODE_MANUAL)).then(created())
    given().when(create()).then(created())


@pytest.mark.parametrize("command", [add(), remove()])
@pytest.mark.parametrize("history", [[], [paid()]], ids=["unpaid", "paid"])
def test_the_items_of_an_order_of_automatic_fulfillment_are_fixed(command: Message, history: list[Message]) -> None:
    order = created(item(quantity=2), total="20.00", automatic=True)
    refused = given(order, *history).when(command).then_refused("NOT_ALLOWED_IN_STATUS").refusal
    assert "fixed at its creation" in str(refused)


def test_an_order_of_automatic_fulfillment_is_confirmed_only_when_it_is_paid_in_full() -> None:
    unpaid = [created(automatic=True), paid("9.95")]
    refused = given(*unpaid).when(confirm()).then_refused("NOT_ALLOWED_IN_STATUS")
    refused.telling(
        current_status="PENDING", current_version="2", allowed_commands="RecordPayment, RecordRefund, CancelOrder"
    )
    assert "0.05 EUR are missing" in str(refused.refusal)
    given(*unpaid, paid("0.05", "pay-2")).when(confirm()).then(confirmed())
    given(*unpaid, paid("0.05", "pay-2"), refunded("0.01")).when(confirm()).then_refused("NOT_ALLOWED_IN_STATUS")


def test_an_order_that_is_moved_on_by_hand_is_confirmed_unpaid() -> None:
    given(created()).when(confirm()).then(confirmed())


def test_a_taken_id_is_refused_telling_the_order_that_has_it() -> None:
    refused = given(created(), confirmed(), shipped()).when(create()).then_refused("ORDER_ALREADY_EXISTS")
    refused.telling(
        current_status="SHIPPED",
        current_version="3",
        allowed_commands="RecordPayment, RecordRefund, DeliverOrder, CancelOrder",
    )


def test_an_item_is_added_as_a_line_of_its_own() -> None:
    given(created()).when(add(item("0.05", quantity=2))).then(item_added(item("0.05", quantity=2), total="10.10"))


def test_an_item_for_nothing_can_be_added() -> None:
    given(created()).when(add(item("0"))).then(item_added(item("0"), total="10.00"))


def test_an_item_in_another_currency_is_refused() -> None:
    refused = given(created()).when(add(item(currency="USD")))
    refused.then_refused("CURRENCY_MISMATCH", "item.unit_price.currency_code")


def test_an_item_with_too_fine_a_price_is_refused() -> None:
    given(created()).when(add(item("1.001"))).then_refused("INVALID_FIELD", "item.unit_price.nanos")


def test_an_item_that_makes_the_total_too_large_is_refused() -> None:
    given(created()).when(add(item(HUNDRED_TRILLION))).then_refused("AMOUNT_OVERFLOW", "item")


def test_an_order_has_at_most_500_lines() -> None:
    lines = [item("1.00")] * 499
    given(created(*lines)).when(add(item("1.00"))).then(item_added(item("1.00"), total="500.00"))
    given(created(*lines, item("1.00"))).when(add()).then_refused("INVALID_FIELD", "item")


def test_units_are_taken_off_the_last_line_of_their_product_first() -> None:
    history = [created(item(quantity=2), item(sku="INK"), item("3.00", quantity=2)), item_removed(3, total="20.00")]
    given(*history).when(remove(1, sku="INK")).then(item_removed(1, sku="INK", total="10.00"))


def test_removing_what_the_order_does_not_have_is_refused() -> None:
    given(created()).when(remove(sku="INK")).then_refused("INVALID_FIELD", "sku")


def test_skus_differ_by_case() -> None:
    given(created()).when(remove(sku="pen-1")).then_refused("INVALID_FIELD", "sku")


def test_removing_more_than_there_is_is_refused() -> None:
    history = created(item(quantity=2), item(quantity=3))
    given(history).when(remove(6)).then_refused("INVALID_FIELD", "quantity")


def test_removing_everything_is_refused() -> None:
    given(created(item(quantity=2), item())).when(remove(3)).then_refused("EMPTY_ORDER", "quantity")


def test_removing_down_to_under_ten_units_is_refused() -> None:
    history = created(item("5.00", quantity=2), item("4.99", sku="INK"))
    given(history).when(remove(1)).then_refused("BELOW_MINIMUM_AMOUNT", "quantity")


def test_removing_down_to_exactly_ten_units_is_accepted() -> None:
    given(created(item("5.00", quantity=3))).when(remove(1)).then(item_removed(1, total="10.00"))


def test_a_payment_may_be_a_part_of_the_total() -> None:
    given(created()).when(pay("3.33")).then(paid("3.33"))


def test_payments_may_add_up_to_the_total() -> None:
    given(created(), paid("3.33")).when(pay("6.67", "pay-2")).then(paid("6.67", "pay-2"))


def test_a_payment_over_what_is_still_to_be_paid_is_refused() -> None:
    given(created(), paid("3.33")).when(pay("6.68", "pay-2")).then_refused("INVALID_FIELD", "amount")


def test_what_was_given_back_can_be_paid_again() -> None:
    history = [created(), paid(), refunded("4.00")]
    given(*history).when(pay("4.00", "pay-2")).then(paid("4.00", "pay-2"))
    given(*history).when(pay("4.01", "pay-2")).then_refused("INVALID_FIELD", "amount")


def test_the_same_payment_again_is_accepted_and_changes_nothing() -> None:
    given(created(), paid(), confirmed(), shipped(), delivered()).when(pay()).then()


def test_the_same_payment_again_is_accepted_after_a_cancellation_too_but_no_new_one() -> None:
    history = [created(), paid("4.00"), cancelled()]
    given(*history).when(pay("4.00")).then()
    given(*history).when(pay("1.00", "pay-2")).then_refused("NOT_ALLOWED_IN_STATUS")


def test_the_same_payment_with_another_amount_is_refused() -> None:
    given(created(), paid("5.00")).when(pay("4.00")).then_refused("INVALID_FIELD", "payment_reference")


def test_a_payment_in_another_currency_is_refused() -> None:
    refused = given(created()).when(pay("10", currency="JPY"))
    refused.then_refused("CURRENCY_MISMATCH", "amount.currency_code")


def test_a_payment_over_a_hundred_trillion_units_is_refused() -> None:
    given(created()).when(pay(f"{HUNDRED_TRILLION}.01")).then_refused("AMOUNT_OVERFLOW", "amount")


def test_a_payment_finer_than_the_minor_unit_is_refused() -> None:
    given(created()).when(pay("1.005")).then_refused("INVALID_FIELD", "amount.nanos")


def test_a_refund_may_be_all_that_was_paid_and_not_given_back() -> None:
    history = [created(), paid("4.00"), paid("5.00", "pay-2"), refunded("2.00")]
    given(*history).when(refund("7.00", "refund-2")).then(refunded("7.00", "refund-2"))


def test_a_refund_of_more_than_that_is_refused() -> None:
    history = [created(), paid("4.00"), refunded("2.00")]
    given(*history).when(refund("2.01", "refund-2")).then_refused("INVALID_FIELD", "amount")


def test_a_refund_of_more_than_any_amount_is_refused_the_same() -> None:
    given(created(), paid()).when(refund(f"{HUNDRED_TRILLION}.01")).then_refused("INVALID_FIELD", "amount")


def test_what_was_paid_over_a_total_that_has_shrunk_can_be_given_back() -> None:
    history = [created(item("5.00", quantity=3), total="15.00"), paid("15.00"), item_removed(1, total="10.00")]
    given(*history).when(pay("0.01", "pay-2")).then_refused("INVALID_FIELD", "amount")
    given(*history).when(refund("5.00")).then(refunded("5.00"))


def test_the_same_refund_again_is_accepted_and_changes_nothing() -> None:
    given(created(), paid(), refunded(), cancelled()).when(refund()).then()


def test_the_same_refund_with_another_amount_is_refused() -> None:
    given(created(), paid(), refunded("5.00")).when(refund("4.00")).then_refused("INVALID_FIELD", "refund_reference")


def test_a_payment_and_a_refund_may_share_a_reference() -> None:
    given(created(), paid("10.00", "ref")).when(refund("10.00", "ref")).then(refunded("10.00", "ref"))


def test_a_refund_in_another_currency_is_refused() -> None:
    refused = given(created(), paid()).when(refund(currency="USD"))
    refused.then_refused("CURRENCY_MISMATCH", "amount.currency_code")


def test_confirmation_moves_the_estimated_delivery() -> None:
    outcome = given(created()).when(confirm())
    outcome.then(confirmed())
    assert confirmed().estimated_delivery_time.ToDatetime() == (NOW + DELIVERY).replace(tzinfo=None)


def test_an_order_is_shipped_with_its_tracking_number() -> None:
    given(created(), confirmed()).when(ship("1Z 999")).then(shipped("1Z 999"))


def test_a_shipped_order_is_delivered() -> None:
    given(created(), confirmed(), shipped()).when(deliver()).then(delivered())


def test_a_cancellation_says_what_is_to_be_given_back() -> None:
    history = [created(), paid("6.00"), paid("4.00", "pay-2"), refunded("3.00")]
    given(*history).when(cancel("too late")).then(cancelled("too late", refund_due="7.00"))


def test_a_cancellation_says_nothing_of_refunds_where_none_is_due() -> None:
    given(created(), paid(), refunded()).when(cancel()).then(cancelled())


def test_a_delivered_order_cannot_be_cancelled() -> None:
    history = [created(), confirmed(), shipped(), delivered()]
    refused = given(*history).when(cancel("too late")).then_refused("CANNOT_CANCEL_DELIVERED_ORDER")
    refused.telling(current_status="DELIVERED", current_version="4", allowed_commands="RecordPayment, RecordRefund")


def test_a_cancelled_order_cannot_be_cancelled_again() -> None:
    refused = given(created(), cancelled()).when(cancel()).then_refused("ALREADY_CANCELLED")
    refused.telling(current_status="CANCELLED", current_version="2", allowed_commands="RecordRefund")


def test_a_command_that_the_status_does_not_allow_tells_what_it_does_allow() -> None:
    refused = given(created()).when(ship()).then_refused("NOT_ALLOWED_IN_STATUS")
    refused.telling(
        current_status="PENDING",
        current_version="1",
        allowed_commands="AddItem, RemoveItem, RecordPayment, RecordRefund, ConfirmOrder, CancelOrder",
    )
