"""Every command in every status: what the decision table allows, and what refusals say that it allows."""

from itertools import product

import pytest
from google.protobuf.message import Message

from command_service.orders.decider import ALLOWED, Command
from orderflow.orders.v1 import command_service_pb2, order_pb2
from tests.support.orders import (
    add,
    cancel,
    cancelled,
    confirm,
    confirmed,
    create,
    created,
    decided,
    deliver,
    delivered,
    folded,
    given,
    item,
    paid,
    pay,
    refund,
    remove,
    ship,
    shipped,
)

PLACED: list[Message] = [created(item(quantity=3), total="30.00"), paid()]
HISTORIES: dict[str, list[Message]] = {
    "PENDING": PLACED,
    "CONFIRMED": [*PLACED, confirmed()],
    "SHIPPED": [*PLACED, confirmed(), shipped()],
    "DELIVERED": [*PLACED, confirmed(), shipped(), delivered()],
    "CANCELLED": [*PLACED, cancelled()],
}
COMMANDS: dict[str, Command] = {
    "CreateOrder": create(),
    "AddItem": add(),
    "RemoveItem": remove(),
    "RecordPayment": pay("5.00", "pay-2"),
    "RecordRefund": refund(),
    "ConfirmOrder": confirm(),
    "ShipOrder": ship(),
    "DeliverOrder": deliver(),
    "CancelOrder": cancel(),
}
# The contract's own words, not the code's.
ALLOWED_BY_CONTRACT = {
    "PENDING": {"AddItem", "RemoveItem", "RecordPayment", "RecordRefund", "ConfirmOrder", "CancelOrder"},
    "CONFIRMED": {"RecordPayment", "RecordRefund", "ShipOrder", "CancelOrder"},
    "SHIPPED": {"RecordPayment", "RecordRefund", "DeliverOrder", "CancelOrder"},
    "DELIVERED": {"RecordPayment", "RecordRefund"},
    "CANCELLED": {"RecordRefund"},
}
PAIRS = [*product(COMMANDS, HISTORIES)]
AUTOMATIC: list[Message] = [created(item(quantity=3), total="30.00", automatic=True), paid()]
PAID_UP: list[Message] = [*AUTOMATIC, paid("20.00", "pay-3")]
AUTOMATIC_HISTORIES: dict[str, list[Message]] = {
    "PENDING, not paid in full": AUTOMATIC,
    "PENDING, paid": PAID_UP,
    "CONFIRMED": [*AUTOMATIC, confirmed()],
    "SHIPPED": [*AUTOMATIC, confirmed(), shipped()],
    "DELIVERED": [*AUTOMATIC, confirmed(), shipped(), delivered()],
    "CANCELLED": [*AUTOMATIC, cancelled()],
}
AUTOMATIC_ALLOWED = {
    **ALLOWED_BY_CONTRACT,
    "PENDING, not paid in full": {"RecordPayment", "RecordRefund", "CancelOrder"},
    "PENDING, paid": {"RecordPayment", "RecordRefund", "ConfirmOrder", "CancelOrder"},
}
OTHER_REASONS = {
    **{("CreateOrder", status): "ORDER_ALREADY_EXISTS" for status in HISTORIES},
    ("CancelOrder", "DELIVERED"): "CANNOT_CANCEL_DELIVERED_ORDER",
    ("CancelOrder", "CANCELLED"): "ALREADY_CANCELLED",
}


def test_every_command_and_every_status_is_in_the_table() -> None:
    methods = command_service_pb2.DESCRIPTOR.services_by_name["OrderCommandService"].methods_by_name
    statuses = [name.removeprefix("ORDER_STATUS_") for name in order_pb2.OrderStatus.keys()]  # noqa: SIM118
    assert COMMANDS.keys() == set(methods)
    assert [*HISTORIES] == statuses[1:]


def test_refusals_say_what_the_contract_allows() -> None:
    told = {
        order_pb2.OrderStatus.Name(status).removeprefix("ORDER_STATUS_"): set(names.split(", "))
        for status, names in ALLOWED.items()
    }
    assert told == ALLOWED_BY_CONTRACT


@pytest.mark.parametrize(("command", "status"), PAIRS)
def test_a_command_is_accepted_exactly_in_the_statuses_that_allow_it(command: str, status: str) -> None:
    outcome = given(*HISTORIES[status]).when(COMMANDS[command])
    if command in ALLOWED_BY_CONTRACT[status]:
        assert outcome.refusal is None
        assert len(outcome.events) == 1
    else:
        outcome.then_refused(OTHER_REASONS.get((command, status), "NOT_ALLOWED_IN_STATUS")).telling(
            current_status=status,
            current_version=str(len(HISTORIES[status])),
            allowed_commands=ALLOWED[folded(*HISTORIES[status]).status],
        )


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "CreateOrder"])
def test_a_command_to_an_order_that_does_not_exist_is_refused(command: str) -> None:
    given().when(COMMANDS[command]).then_refused("ORDER_NOT_FOUND").telling()


@pytest.mark.parametrize(("command", "status"), PAIRS)
def test_what_is_accepted_leaves_an_order_in_a_status_of_the_contract(command: str, status: str) -> None:
    moves = {
        "ConfirmOrder": "CONFIRMED",
        "ShipOrder": "SHIPPED",
        "DeliverOrder": "DELIVERED",
        "CancelOrder": "CANCELLED",
    }
    if command in ALLOWED_BY_CONTRACT[status]:
        events = decided(COMMANDS[command], folded(*HISTORIES[status]))
        after = folded(*HISTORIES[status], *events)
        assert order_pb2.OrderStatus.Name(after.status) == f"ORDER_STATUS_{moves.get(command, status)}"


@pytest.mark.parametrize(("command", "history"), [*product(COMMANDS, AUTOMATIC_HISTORIES)])
def test_an_order_of_automatic_fulfillment_is_told_what_it_allows_and_accepts_exactly_that(
    command: str, history: str
) -> None:
    asked = pay("20.00", "pay-3") if command == "RecordPayment" else COMMANDS[command]  # again where it is paid
    outcome = given(*AUTOMATIC_HISTORIES[history]).when(asked)
    if command in AUTOMATIC_ALLOWED[history]:
        assert outcome.refusal is None
    else:
        status = history.partition(",")[0]
        outcome.then_refused(OTHER_REASONS.get((command, status), "NOT_ALLOWED_IN_STATUS"))
        assert outcome.refusal is not None
        assert set(outcome.refusal.metadata["allowed_commands"].split(", ")) == AUTOMATIC_ALLOWED[history]
