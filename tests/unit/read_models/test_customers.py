"""The fold of a customer's events into the customer."""

from typing import get_args

import pytest

from event_schemas.customers import EVENT_TYPES, CustomerEvent
from orderflow.customers.v1 import customer_pb2
from read_models import customers
from tests.unit.read_models.builders import CUSTOMER, at, erased, registered, updated

_HISTORY: tuple[CustomerEvent, ...] = (registered(), updated(), erased())
_STATES = (
    customer_pb2.Customer(
        customer_id=CUSTOMER, name="Zoë", email="zoe@example.com", version=1, create_time=at(1), update_time=at(1)
    ),
    customer_pb2.Customer(
        customer_id=CUSTOMER, name="Zoe", email="new@example.com", version=2, create_time=at(1), update_time=at(2)
    ),
    customer_pb2.Customer(customer_id=CUSTOMER, version=3, create_time=at(1), update_time=at(3), erase_time=at(3)),
)


def test_each_event_changes_what_it_says_and_nothing_else() -> None:
    customer = None
    for version, (event, state) in enumerate(zip(_HISTORY, _STATES, strict=True), start=1):
        before = None if customer is None else customer.SerializeToString()
        after = customers.evolve(customer, event, version)
        assert after == state
        assert customer is None or customer.SerializeToString() == before
        customer = after


def test_every_event_of_customers_is_folded() -> None:
    assert {type(event) for event in _HISTORY} == set(get_args(CustomerEvent)) == set(EVENT_TYPES)


@pytest.mark.parametrize("version", [2, 3])
def test_name_and_email_are_right_without_what_was_before(version: int) -> None:
    alone, state = customers.evolve(None, _HISTORY[version - 1], version), _STATES[version - 1]
    assert (alone.name, alone.email, alone.version) == (state.name, state.email, version)
    assert alone.HasField("erase_time") == state.HasField("erase_time")


def test_a_sealed_name_stays_sealed_until_it_is_opened_and_goes_with_the_erasure() -> None:
    event = updated()
    plain = event.personal_data.SerializeToString()
    event.personal_data.Clear()
    event.personal_data.key_id, event.personal_data.sealed = CUSTOMER, b"sealed"
    customer = customers.evolve(_STATES[0], event, 2)
    sealed = customers.sealed(customer)
    assert sealed is not None
    told = (sealed.key_id, sealed.aggregate_id, sealed.event_type, sealed.sealed)
    assert told == (CUSTOMER, CUSTOMER, "orderflow.customers.v1.CustomerUpdated", b"sealed")
    assert not customers.tells(customer)
    assert customers.opened(customer, plain) == _STATES[1]
    assert customers.evolve(customer, erased(), 3) == _STATES[2]
