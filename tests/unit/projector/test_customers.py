"""What is remembered of customers, and when they are asked for."""

from collections.abc import Iterable

import pytest

from orderflow.customers.v1 import customer_pb2
from projector.customers import Customers, CustomersById
from projector.errors import CustomersAway
from service_kit.grpc_channel import open_channel

_ADA, _BOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class _Counted(Customers):
    """Answers out of memory, and remembers what it was asked for."""

    def __init__(self, *, cached: int = 10) -> None:
        channel = open_channel("127.0.0.1:1")
        super().__init__(channel, timeout_seconds=1, pause_seconds=60, cached=cached)
        self.there = {_ADA: _customer(_ADA, 1), _BOB: _customer(_BOB, 1)}
        self.asked: list[set[str]] = []
        self.away = False

    async def _ask(self, ids: Iterable[str]) -> CustomersById:
        if self.away:
            raise CustomersAway
        self.asked.append(set(ids))
        return {id_: self.there[id_] for id_ in ids if id_ in self.there}


def _customer(id_: str, version: int) -> customer_pb2.Customer:
    return customer_pb2.Customer(customer_id=id_, version=version)


async def test_a_customer_who_is_known_is_not_asked_for() -> None:
    customers = _Counted()
    for _ in range(3):
        assert await customers.known([_ADA]) == {_ADA: _customer(_ADA, 1)}
    assert await customers.known([_ADA, _BOB]) == customers.there
    assert customers.asked == [{_ADA}, {_BOB}]


async def test_a_look_is_never_answered_from_memory_and_renews_it() -> None:
    customers = _Counted()
    await customers.known([_ADA])
    customers.there[_ADA] = _customer(_ADA, 2)
    assert await customers.get([_ADA]) == {_ADA: _customer(_ADA, 2)}
    assert await customers.known([_ADA]) == {_ADA: _customer(_ADA, 2)}


async def test_an_older_customer_does_not_replace_a_newer_one_in_memory() -> None:
    customers = _Counted()
    customers.keep({_ADA: _customer(_ADA, 3)})
    await customers.get([_ADA])
    assert await customers.known([_ADA]) == {_ADA: _customer(_ADA, 3)}


async def test_who_does_not_exist_is_asked_for_each_time() -> None:
    customers = _Counted()
    customers.there = {}
    assert await customers.known([_ADA]) == {}
    assert await customers.known([_ADA]) == {}
    assert customers.asked == [{_ADA}, {_ADA}]


async def test_no_more_are_remembered_than_may_be() -> None:
    customers = _Counted(cached=1)
    await customers.known([_ADA])
    await customers.known([_BOB])
    await customers.known([_ADA])
    assert customers.asked == [{_ADA}, {_BOB}, {_ADA}]


async def test_while_they_are_spared_not_even_known_ones_are_answered() -> None:
    customers = _Counted()
    await customers.known([_ADA])
    customers.away = True
    for _ in range(3):
        with pytest.raises(CustomersAway):
            await customers.get([_ADA])
    customers.away = False
    for look in (customers.get, customers.known):
        with pytest.raises(CustomersAway):
            await look([_ADA])
    assert len(customers.asked) == 1
