"""The rules of customers, and what events make of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, cast, get_args

import pytest
from google.protobuf.message import Message

from command_service.customers.aggregate import customer_aggregate
from command_service.customers.decider import decide
from command_service.customers.state import Customer, evolve
from command_service.timestamps import stamp
from event_schemas.customers import CustomerEvent
from orderflow.customers.v1 import commands_pb2 as commands
from orderflow.customers.v1 import events_pb2 as events
from tests.support.orders import CUSTOMER_ID, NOW, Given

LATER = NOW + timedelta(hours=1)


def register() -> commands.RegisterCustomerRequest:
    return commands.RegisterCustomerRequest(customer_id=CUSTOMER_ID, name="Ada Lovelace", email="ada@example.com")


def update(**changes: str) -> commands.UpdateCustomerRequest:
    return commands.UpdateCustomerRequest(customer_id=CUSTOMER_ID, **cast("Any", changes))


def erase() -> commands.EraseCustomerRequest:
    return commands.EraseCustomerRequest(customer_id=CUSTOMER_ID)


def personal(name: str = "Ada Lovelace", email: str = "ada@example.com") -> events.CustomerPersonalData:
    return events.CustomerPersonalData(name=name, email=email)


def registered() -> events.CustomerRegistered:
    return events.CustomerRegistered(customer_id=CUSTOMER_ID, personal_data=personal(), register_time=stamp(NOW))


def updated(name: str = "Ada King", email: str = "ada@example.com", at: datetime = NOW) -> events.CustomerUpdated:
    return events.CustomerUpdated(customer_id=CUSTOMER_ID, personal_data=personal(name, email), update_time=stamp(at))


def erased(at: datetime = NOW) -> events.CustomerErased:
    return events.CustomerErased(customer_id=CUSTOMER_ID, erase_time=stamp(at))


def folded(*history: Message) -> Customer:
    return reduce(evolve, cast("Sequence[CustomerEvent]", history), Customer())


def given(*history: Message) -> Given:
    customer = folded(*history)
    return Given(lambda command: decide(command, customer, NOW))


def test_a_customer_is_registered() -> None:
    given().when(register()).then(registered())


def test_a_taken_id_is_refused() -> None:
    given(registered(), updated()).when(register()).then_refused("CUSTOMER_ALREADY_EXISTS").telling(current_version="2")


def test_the_id_of_an_erased_customer_stays_taken() -> None:
    given(registered(), erased()).when(register()).then_refused("CUSTOMER_ALREADY_EXISTS").telling(current_version="2")


def test_a_name_is_changed_and_the_address_kept() -> None:
    given(registered()).when(update(name="Ada King")).then(updated("Ada King"))


def test_an_address_is_changed_and_the_name_kept() -> None:
    changed = updated("Ada Lovelace", "ada@example.org")
    given(registered()).when(update(email="ada@example.org")).then(changed)


@pytest.mark.parametrize("command", [update(), update(name="Ada Lovelace"), update(email="ada@example.com")])
def test_what_the_customer_has_already_is_accepted_and_changes_nothing(command: Message) -> None:
    given(registered()).when(command).then()


@pytest.mark.parametrize("command", [update(name="Ada King"), erase()])
def test_a_customer_who_does_not_exist_is_not_found(command: Message) -> None:
    given().when(command).then_refused("CUSTOMER_NOT_FOUND").telling()


def test_an_erased_customer_cannot_be_changed() -> None:
    given(registered(), erased()).when(update(name="Ada King")).then_refused("CUSTOMER_NOT_FOUND")


def test_a_customer_is_erased() -> None:
    given(registered(), updated()).when(erase()).then(erased())


def test_who_is_erased_already_is_accepted_and_nothing_changes() -> None:
    given(registered(), erased()).when(erase()).then()


def test_the_closed_set_of_events_is_that_of_the_contract() -> None:
    messages = events.DESCRIPTOR.message_types_by_name.values()
    contract = {each.full_name for each in messages if each.name != "CustomerPersonalData"}
    assert {each.DESCRIPTOR.full_name for each in get_args(CustomerEvent)} == contract
    assert set(customer_aggregate().events) == set(get_args(CustomerEvent))


@pytest.mark.parametrize("event", [each() for each in get_args(CustomerEvent)], ids=lambda each: each.DESCRIPTOR.name)
@pytest.mark.parametrize("before", [[], [registered()], [registered(), erased()]], ids=["nobody", "known", "erased"])
def test_every_event_makes_one_version_and_is_never_refused(event: Message, before: Sequence[Message]) -> None:
    assert folded(*before, event).version == len(before) + 1


def test_a_customer_is_folded_from_its_events() -> None:
    assert folded(registered(), updated("Ada King", "ada@example.org", LATER)) == Customer(
        customer_id=CUSTOMER_ID,
        version=2,
        name="Ada King",
        email="ada@example.org",
        create_time=NOW.astimezone(UTC),
        update_time=LATER.astimezone(UTC),
    )


def test_an_erased_customer_has_neither_name_nor_address() -> None:
    customer = folded(registered(), erased(LATER))
    assert (customer.customer_id, customer.name, customer.email) == (CUSTOMER_ID, "", "")
    assert (customer.erase_time, customer.update_time) == (LATER.astimezone(UTC), LATER.astimezone(UTC))
