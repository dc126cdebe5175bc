"""The append path against a model of it: two servers on one log of four shards, whatever clients send, in any order.

ORDERFLOW_TEST_EXAMPLES raises the number of examples.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from command_service.event_store.database import Database
from command_service.event_store.port import EventStore
from command_service.event_store.postgres import PostgresEventStore
from command_service.handler import CommandHandler
from command_service.orders.aggregate import order_aggregate
from command_service.orders.state import Order
from orderflow.orders.v1 import commands_pb2 as commands
from service_kit.errors import ServiceError
from tests.integration.command_service.order_model import OrderModel
from tests.integration.conftest import migrated_database
from tests.support.memory_event_store import MemoryEventStore
from tests.support.orders import add, cancel, confirm, create, item, pay

SHARDS = 4
SETTINGS = settings(
    max_examples=int(os.environ.get("ORDERFLOW_TEST_EXAMPLES", "25")),
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
OpenStores = Callable[[], AbstractAsyncContextManager[Sequence[EventStore]]]
"""Opens the stores of two servers on one empty log."""


@dataclass(frozen=True)
class Intent:
    """A command to be; what depends on what was sent before is filled in when it is sent.

    Args:
        order: which of the orders known so far.
        request: `none`, `new`, or a request id that others may have, too.
        expects: the version that the client expects, as a difference to the present one; None for any.
    """

    kind: str
    order: int
    request: str
    expects: int | None
    price: str
    reference: str


KINDS = ["create", "create unnamed", "add", "add", "confirm", "cancel", "pay", "pay"]
INTENTS = st.builds(
    Intent,
    kind=st.sampled_from(KINDS),
    order=st.integers(0, 5),
    request=st.sampled_from(["none", "new", "new", "new", "r-1", "r-2", "r-3"]),
    expects=st.sampled_from([None, None, None, 0, 0, 1, -1]),
    price=st.sampled_from(["10.00", "12.50"]),
    reference=st.sampled_from(["pay-1", "pay-2"]),
)
SERVERS = st.integers(0, 1)


class AppendPath(RuleBasedStateMachine):
    """Two servers' handlers; every outcome is one that the model allows."""

    def __init__(self, open_stores: OpenStores) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._resources = AsyncExitStack()
        self._stores = self._runner.run(self._resources.enter_async_context(open_stores()))
        self._drawn = (uuid.UUID(int=1000 + number) for number in count())
        # The first has every state at hand, the other has to load most of them.
        self._servers = [self._handler(store, cached) for store, cached in zip(self._stores, (100, 1), strict=True)]
        self._model = OrderModel(SHARDS)
        self._sent: list[Any] = []

    @rule(intent=INTENTS, server=SERVERS)
    def send(self, intent: Intent, server: int) -> None:
        """A client sends a command."""
        self._send([(self._command(intent), server)])

    @rule(first=INTENTS, second=INTENTS, servers=st.tuples(SERVERS, SERVERS))
    def send_two_at_once(self, first: Intent, second: Intent, servers: tuple[int, int]) -> None:
        """Two clients send commands to one order."""
        one, other = self._command(first), self._command(second)
        if one.order_id:
            other.order_id = one.order_id
        self._send([(one, servers[0]), (other, servers[1])])

    @rule(intent=INTENTS, servers=st.tuples(SERVERS, SERVERS))
    def send_one_twice_at_once(self, intent: Intent, servers: tuple[int, int]) -> None:
        """A client does not wait for the answer before it repeats."""
        command = self._command(intent)
        self._send([(command, server) for server in servers])

    @precondition(lambda self: self._sent)
    @rule(which=st.integers(0, 1000), server=SERVERS)
    def repeat(self, which: int, server: int) -> None:
        """A client repeats what was sent before, accepted or refused."""
        self._send([(self._sent[which % len(self._sent)], server)])

    def teardown(self) -> None:
        """The log is the model's, and every accepted request is still answered as it was."""
        try:
            for command, answer in self._model.accepted.values():
                for server in range(2):
                    assert self._runner.run(self._outcome(command, server)) == answer
            assert self._runner.run(self._logged()) == {
                order_id: [(version, *event) for version, event in enumerate(order.events, start=1)]
                for order_id, order in self._model.orders.items()
            }
        finally:
            self._runner.run(self._resources.aclose())
            self._runner.close()

    def _handler(self, store: EventStore, cached_states: int) -> CommandHandler[Order]:
        return CommandHandler(
            order_aggregate(timedelta(days=5)),
            store,
            cached_states=cached_states,
            clock=partial(datetime.now, UTC),
            new_id=partial(next, self._drawn),
        )

    def _command(self, intent: Intent) -> Any:
        known = [*self._model.orders, *(str(uuid.UUID(int=number)) for number in range(3))]
        order_id = known[intent.order % len(known)]
        request_id = {"none": "", "new": f"new-{len(self._sent)}"}.get(intent.request, intent.request)
        fields: dict[str, Any] = {"order_id": order_id, "request_id": request_id}
        if intent.kind.startswith("create"):
            fields["order_id"] = order_id if intent.kind == "create" else ""
            command: Any = create(item(intent.price), **fields)
        else:
            if intent.expects is not None:
                fields["expected_version"] = max(0, self._model.version(order_id) + intent.expects)
            makes: dict[str, Callable[..., Any]] = {
                "add": partial(add, item(intent.price)),
                "confirm": confirm,
                "cancel": cancel,
                "pay": partial(pay, intent.price, intent.reference),
            }
            command = makes[intent.kind](**fields)
        self._sent.append(command)
        return command

    def _send(self, sendings: Sequence[tuple[Any, int]]) -> None:
        """Sends commands at once; their outcomes are those of some order of them, one after the other."""

        async def all_at_once() -> list[bytes | str]:
            return await asyncio.gather(*[self._outcome(command, server) for command, server in sendings])

        outcomes = self._runner.run(all_at_once())
        taken = [(command, outcome) for (command, _), outcome in zip(sendings, outcomes, strict=True)]
        after = _all_taken(self._model, taken) or _all_taken(self._model, taken[::-1])
        assert after is not None, [(command, self._model.expected(command), outcome) for command, outcome in taken]
        self._model = after

    async def _outcome(self, command: Any, server: int) -> bytes | str:
        """The bytes of a command's answer, or the reason it is refused for."""
        answer = getattr(commands, type(command).__name__.replace("Request", "Response"))
        try:
            response = await self._servers[server].handle(command, answer)
        except ServiceError as refusal:
            return refusal.reason_name
        return bytes(response.SerializeToString(deterministic=True))

    async def _logged(self) -> dict[str, list[tuple[int, str, str]]]:
        """Version, type and request of each order's events, in the order of the log."""
        orders: dict[str, list[tuple[int, str, str]]] = {}
        for shard in range(SHARDS):
            events, _ = await self._stores[0].read_log(shard, 0)
            for each in events:
                event_type = each.event_type.rpartition(".")[2]
                orders.setdefault(each.aggregate_id, []).append((each.version, event_type, each.metadata.request_id))
        return orders


def _all_taken(model: OrderModel, taken: Sequence[tuple[Any, bytes | str]]) -> OrderModel | None:
    after: OrderModel | None = model
    for command, outcome in taken:
        after = after and after.taking(command, outcome)
    return after


def run(open_stores: OpenStores) -> None:
    """Plays examples, each on stores of its own."""
    machine: Any = partial(AppendPath, open_stores)
    run_state_machine_as_test(machine, settings=SETTINGS)


def test_the_append_path_in_memory_does_what_the_model_says() -> None:
    @asynccontextmanager
    async def open_stores() -> AsyncIterator[Sequence[EventStore]]:
        store = MemoryEventStore(SHARDS)
        yield [store, store]

    run(open_stores)


@pytest.mark.timeout(600)
def test_the_append_path_on_postgresql_does_what_the_model_says(template_database: str) -> None:
    @asynccontextmanager
    async def open_stores() -> AsyncIterator[Sequence[EventStore]]:
        async with AsyncExitStack() as resources:
            url = resources.enter_context(migrated_database(template_database)).service_url
            stores = []
            for _ in range(2):
                database = await resources.enter_async_context(Database(url, max_connections=3))
                store = PostgresEventStore(database, SHARDS, max_waiting=100)
                stores.append(await resources.enter_async_context(store))
            yield stores

    run(open_stores)
