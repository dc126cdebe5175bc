"""What the command handler promises around the rules: one effect a request id, versions, names, nothing on refusal."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from command_service.customers.aggregate import customer_aggregate
from command_service.customers.state import Customer
from command_service.errors import StoreUnavailable
from command_service.event_store.port import Append, Loaded, NewEvent, Outcome, RequestKey, Snapshot
from command_service.handler import CommandHandler
from command_service.orders.aggregate import order_aggregate
from command_service.orders.state import Order
from command_service.timestamps import stamp
from event_schemas.event_types import UnknownEvent
from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import events_pb2 as events
from orderflow.orders.v1 import order_pb2
from service_kit import consistency_token
from service_kit.errors import InvalidArgument, ServiceError
from tests.support.memory_event_store import MemoryEventStore
from tests.support.orders import (
    CUSTOMER_ID,
    DELIVERY,
    NOW,
    ORDER_ID,
    add,
    cancel,
    confirm,
    create,
    deliver,
    item,
    money,
    pay,
    ship,
)

DRAWN_ID = "00000000-0000-4000-8000-00000000000d"


class Store(MemoryEventStore):
    """A store that counts its loads and appends, and lets rivals in before an append."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: NOW)
        self.loads = 0
        self.appends: list[Append] = []
        self.rivals: Iterator[Callable[[], Awaitable[object]]] = iter(())

    async def load(self, aggregate_id: uuid.UUID, request: RequestKey | None, *, fold: str = "") -> Loaded:
        """Counts."""
        self.loads += 1
        return await super().load(aggregate_id, request, fold=fold)

    async def append(self, append: Append) -> Outcome:
        """Lets the next rival in; its own append lets none in."""
        await asyncio.sleep(0)  # as any real store does, it lets others run
        rivals, self.rivals = self.rivals, iter(())
        rival = next(rivals, None)
        if rival is not None:
            await rival()
        self.rivals = rivals
        self.appends.append(append)
        return await super().append(append)


class Orders:
    """A command server's handler of orders."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.handler: CommandHandler[Order] = CommandHandler(
            order_aggregate(DELIVERY), store, cached_states=100, clock=clock, new_id=lambda: uuid.UUID(DRAWN_ID)
        )

    async def __call__(self, command: Any, principal: str = "anonymous") -> Any:
        """The command's answer."""
        answer = getattr(commands, type(command).__name__.replace("Request", "Response"))
        return await self.handler.handle(command, answer, principal)


class Customers:
    """A command server's handler of customers."""

    def __init__(self, store: Store) -> None:
        self.handler: CommandHandler[Customer] = CommandHandler(
            customer_aggregate(), store, cached_states=100, clock=lambda: NOW, new_id=uuid.uuid4
        )

    async def __call__(self, command: Any) -> Any:
        """The command's answer."""
        answer = getattr(customer_commands, type(command).__name__.replace("Request", "Response"))
        return await self.handler.handle(command, answer)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def orders(store: Store) -> Orders:
    return Orders(store)


@pytest.fixture
def elsewhere(store: Store) -> Orders:
    """Another process on the same store: it shares no cached state."""
    return Orders(store)


@pytest.fixture
def customers(store: Store) -> Customers:
    return Customers(store)


def register(**changes: Any) -> customer_commands.RegisterCustomerRequest:
    fields = {"customer_id": CUSTOMER_ID, "name": "Ada Lovelace", "email": "ada@example.com", **changes}
    return customer_commands.RegisterCustomerRequest(**fields)


def update(**changes: Any) -> customer_commands.UpdateCustomerRequest:
    return customer_commands.UpdateCustomerRequest(**{"customer_id": CUSTOMER_ID, "name": "Ada King", **changes})


async def refused(call: Awaitable[object]) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        await call
    return refusal.value


def stored(store: Store) -> list[str]:
    return [each.event_type.rpartition(".")[2] for each in store.log]


# The answer.


async def test_the_answer_to_a_creation_is_complete(orders: Orders) -> None:
    answer = await orders(create(item("24.95", quantity=2)))
    assert consistency_token.decode(answer.consistency_token).version == 1
    answer.ClearField("consistency_token")
    assert answer == commands.CreateOrderResponse(
        order_id=ORDER_ID,
        version=1,
        status=order_pb2.ORDER_STATUS_PENDING,
        total_amount=money("49.90"),
        estimated_delivery_time=stamp(NOW + DELIVERY),
    )


async def test_every_later_answer_shows_the_order_after_the_command(orders: Orders) -> None:
    await orders(create())
    added = await orders(add(item("0.50")))
    assert (added.version, added.status, added.total_amount) == (2, order_pb2.ORDER_STATUS_PENDING, money("10.50"))
    confirmed = await orders(confirm())
    assert (confirmed.version, confirmed.status) == (3, order_pb2.ORDER_STATUS_CONFIRMED)
    assert (await orders(ship())).status == order_pb2.ORDER_STATUS_SHIPPED
    delivered = await orders(deliver())
    assert (delivered.order_id, delivered.version, delivered.total_amount) == (ORDER_ID, 5, money("10.50"))
    token = consistency_token.decode(delivered.consistency_token)
    assert (token.aggregate_type, token.aggregate_id, token.version) == ("order", ORDER_ID, 5)


async def test_an_event_is_stored_with_who_sent_which_command(orders: Orders, store: Store) -> None:
    await orders(create(request_id="r-1"), "ada")
    [recorded] = store.log
    assert (recorded.aggregate_type, recorded.aggregate_id, recorded.version) == ("order", ORDER_ID, 1)
    assert recorded.event_type == "orderflow.orders.v1.OrderCreated"
    assert recorded.metadata == event_log_pb2.EventMetadata(
        principal="ada", request_id="r-1", command_type="orderflow.orders.v1.CreateOrderRequest"
    )


async def test_the_stored_answer_holds_nothing_personal(orders: Orders, customers: Customers, store: Store) -> None:
    await orders(create(request_id="r-1"))
    await customers(register(request_id="r-2"))
    assert all(word not in each.response for each in store.appends for word in (b"Ada", b"ada@", b"Bonn"))


# Repeats.


async def test_a_repeat_gets_the_same_bytes_and_has_no_second_effect(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    first = await orders(create(request_id="r-1"))
    for again in (await orders(create(request_id="r-1")), await elsewhere(create(request_id="r-1"))):
        assert again.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)
    assert stored(store) == ["OrderCreated"]


@pytest.mark.parametrize("here", [True, False], ids=["same process", "another process"])
async def test_a_repeat_gets_the_first_answer_whatever_has_happened_since(
    orders: Orders, elsewhere: Orders, store: Store, *, here: bool
) -> None:
    await orders(create())
    added = await orders(add(request_id="r-1", expected_version=1))
    cancelled = await orders(cancel(request_id="r-2"))
    repeats = orders if here else elsewhere
    assert await repeats(add(request_id="r-1", expected_version=1)) == added
    assert await repeats(cancel(request_id="r-2")) == cancelled
    assert stored(store) == ["OrderCreated", "ItemAdded", "OrderCancelled"]


async def test_a_repeat_that_meets_its_first_attempt_in_the_store_gets_that_answer(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    store.rivals = iter([lambda: elsewhere(confirm(request_id="r-1"))])
    answer = await orders(confirm(request_id="r-1"))
    assert answer.version == 2
    assert stored(store) == ["OrderCreated", "OrderConfirmed"]


@pytest.mark.parametrize("here", [True, False], ids=["same process", "another process"])
@pytest.mark.parametrize(
    "other",
    [add(item("1.00"), request_id="r-1"), add(request_id="r-1", expected_version=1), confirm(request_id="r-1")],
    ids=["other fields", "other expectation", "other command"],
)
async def test_a_request_id_is_refused_for_another_request(
    orders: Orders, elsewhere: Orders, store: Store, other: Any, *, here: bool
) -> None:
    await orders(create())
    await orders(add(request_id="r-1"))
    refusal = await refused((orders if here else elsewhere)(other))
    assert refusal.reason_name == "REQUEST_ID_REUSED"
    assert isinstance(refusal, InvalidArgument)
    assert [each.field for each in refusal.violations] == ["request_id"]
    assert stored(store) == ["OrderCreated", "ItemAdded"]


async def test_a_request_id_is_refused_for_another_order(orders: Orders) -> None:
    await orders(create(request_id="r-1"))
    refusal = await refused(orders(create(request_id="r-1", order_id=CUSTOMER_ID)))
    assert refusal.reason_name == "REQUEST_ID_REUSED"


async def test_a_request_id_of_another_kind_of_aggregate_is_refused_and_nothing_stored(
    orders: Orders, store: Store
) -> None:
    customers: CommandHandler[Customer] = CommandHandler(
        customer_aggregate(), store, cached_states=100, clock=lambda: NOW, new_id=lambda: uuid.UUID(DRAWN_ID)
    )
    register = customer_commands.RegisterCustomerRequest(request_id="r-1", name="Zoë", email="zoe@example.com")
    await customers.handle(register, customer_commands.RegisterCustomerResponse)
    assert (await refused(orders(create(request_id="r-1")))).reason_name == "REQUEST_ID_REUSED"
    assert stored(store) == ["CustomerRegistered"]


async def test_principals_do_not_share_request_ids(orders: Orders, store: Store) -> None:
    await orders(create())
    await orders(add(request_id="r-1"), "ada")
    await orders(add(request_id="r-1"), "bob")
    assert stored(store) == ["OrderCreated", "ItemAdded", "ItemAdded"]


async def test_a_digest_made_by_another_contract_proves_no_difference(orders: Orders, store: Store) -> None:
    await orders(create())
    first = await orders(confirm(request_id="r-1"))
    kept = store.appends[-1]
    assert kept.request is not None
    older = Store()
    older.log.extend(store.log[:1])
    key = replace(
        kept.request, digest=b"made otherwise", contract_version=f"{kept.request.contract_version}, an older one"
    )
    await older.append(replace(kept, request=key))
    assert await Orders(older)(confirm(request_id="r-1")) == first


async def test_a_refusal_is_not_remembered(orders: Orders, store: Store) -> None:
    await orders(create())
    assert (await refused(orders(ship(request_id="r-1")))).reason_name == "NOT_ALLOWED_IN_STATUS"
    await orders(confirm())
    assert (await orders(ship(request_id="r-1"))).version == 3
    assert stored(store) == ["OrderCreated", "OrderConfirmed", "OrderShipped"]


async def test_a_request_id_of_a_refusal_is_free_for_another_command(orders: Orders) -> None:
    await orders(create())
    await refused(orders(ship(request_id="r-1")))
    assert (await orders(confirm(request_id="r-1"))).version == 2


async def test_without_a_request_id_a_repeat_takes_effect_again(orders: Orders, store: Store) -> None:
    await orders(create())
    await orders(add())
    await orders(add())
    assert stored(store) == ["OrderCreated", "ItemAdded", "ItemAdded"]


# Names.


async def test_an_empty_id_is_derived_from_principal_and_request_id(orders: Orders, elsewhere: Orders) -> None:
    first = await orders(create(order_id="", request_id="r-1"))
    assert uuid.UUID(first.order_id).version == 5
    assert (await elsewhere(create(order_id="", request_id="r-1"))).order_id == first.order_id
    assert (await orders(create(order_id="", request_id="r-2"))).order_id != first.order_id
    assert (await orders(create(order_id="", request_id="r-1"), "bob")).order_id != first.order_id


async def test_a_derived_id_is_for_good(orders: Orders) -> None:
    """Another derivation would make a retry across an upgrade create a second order."""
    answer = await orders(create(order_id="", request_id="r-1"))
    assert answer.order_id == "fcb4a966-9959-5d59-b236-e17a7c0a03a9"


async def test_a_customer_and_an_order_of_one_request_id_have_different_ids() -> None:
    order = await Orders(Store())(create(order_id="", request_id="r-1"))
    customer = await Customers(Store())(register(customer_id="", request_id="r-1"))
    assert order.order_id != customer.customer_id


async def test_without_id_and_request_id_an_id_is_drawn(orders: Orders) -> None:
    assert (await orders(create(order_id=""))).order_id == DRAWN_ID


async def test_ids_are_taken_in_upper_case_and_kept_and_answered_in_lower_case(orders: Orders, store: Store) -> None:
    answer = await orders(create(order_id=ORDER_ID.upper(), customer_id=CUSTOMER_ID.upper()))
    assert answer.order_id == ORDER_ID
    confirmed = await orders(confirm(order_id=ORDER_ID.upper()))
    assert (confirmed.order_id, confirmed.version) == (ORDER_ID, 2)
    created = events.OrderCreated.FromString(store.log[0].event_data)
    assert (created.order_id, created.customer_id) == (ORDER_ID, CUSTOMER_ID)
    assert events.OrderConfirmed.FromString(store.log[1].event_data).order_id == ORDER_ID
    assert {each.aggregate_id for each in store.log} == {ORDER_ID}


async def test_the_callers_message_is_left_as_it_was(orders: Orders) -> None:
    message = create(order_id=ORDER_ID.upper())
    await orders(message)
    assert message.order_id == ORDER_ID.upper()


# Nothing to store.


async def test_validate_only_shows_the_outcome_and_stores_nothing(orders: Orders, store: Store) -> None:
    answer = await orders(create(validate_only=True, request_id="r-1"))
    assert (answer.order_id, answer.version, answer.consistency_token) == (ORDER_ID, 0, "")
    assert (answer.status, answer.total_amount) == (order_pb2.ORDER_STATUS_PENDING, money("10.00"))
    assert not store.appends
    assert (await orders(create(order_id="", request_id="r-1"))).version == 1, "the request id is not remembered"


async def test_validate_only_shows_a_present_order_with_the_version_it_still_has(orders: Orders, store: Store) -> None:
    await orders(create())
    answer = await orders(add(item("5.00"), validate_only=True))
    assert (answer.version, answer.total_amount) == (1, money("15.00"))
    assert (await orders(cancel(validate_only=True))).status == order_pb2.ORDER_STATUS_CANCELLED
    assert stored(store) == ["OrderCreated"]


async def test_validate_only_answers_no_token_as_there_is_nothing_to_wait_for(orders: Orders) -> None:
    await orders(create())
    assert (await orders(confirm(validate_only=True))).consistency_token == ""


async def test_validate_only_does_not_look_a_request_id_up(orders: Orders) -> None:
    await orders(create())
    await orders(add(item("1.00"), request_id="r-1"))
    answer = await orders(add(item("1.00"), request_id="r-1", validate_only=True))
    assert (answer.version, answer.total_amount) == (2, money("12.00")), "what would be, not what was answered"
    assert (await orders(confirm(request_id="r-1", validate_only=True))).version == 2


async def test_validate_only_is_refused_as_the_command_would_be(orders: Orders) -> None:
    await orders(create())
    assert (await refused(orders(ship(validate_only=True)))).reason_name == "NOT_ALLOWED_IN_STATUS"
    assert (await refused(orders(create(validate_only=True)))).reason_name == "ORDER_ALREADY_EXISTS"
    mismatch = await refused(orders(confirm(validate_only=True, expected_version=2)))
    assert mismatch.reason_name == "VERSION_MISMATCH"


async def test_a_command_with_nothing_to_change_stores_its_answer_and_no_event(orders: Orders, store: Store) -> None:
    await orders(create())
    await orders(pay())
    first = await orders(pay(request_id="r-1"))
    assert first.version == 2
    assert stored(store) == ["OrderCreated", "PaymentProcessed"]
    await orders(confirm())
    assert await orders(pay(request_id="r-1")) == first
    assert (await refused(orders(pay("1.00", request_id="r-1")))).reason_name == "REQUEST_ID_REUSED"


async def test_a_command_with_nothing_to_change_and_no_request_id_stores_nothing_at_all(
    orders: Orders, store: Store
) -> None:
    await orders(create())
    await orders(pay())
    before = len(store.appends)
    assert (await orders(pay())).version == 2
    assert len(store.appends) == before


async def test_such_a_command_is_answered_from_the_events_not_from_a_state_at_hand(
    orders: Orders, elsewhere: Orders
) -> None:
    await orders(create())
    await orders(pay())
    await elsewhere(confirm())
    assert (await orders(pay())).version == 3


# Versions.


async def test_the_expected_version_is_accepted(orders: Orders) -> None:
    await orders(create())
    assert (await orders(confirm(expected_version=1))).version == 2


@pytest.mark.parametrize("expected", [1, 3])
async def test_another_version_than_the_expected_one_is_refused_telling_the_present_one(
    orders: Orders, store: Store, expected: int
) -> None:
    await orders(create())
    await orders(add())
    refusal = await refused(orders(confirm(expected_version=expected)))
    assert (refusal.reason_name, refusal.metadata) == ("VERSION_MISMATCH", {"current_version": "2"})
    assert stored(store) == ["OrderCreated", "ItemAdded"]


async def test_a_version_is_expected_of_an_order_that_does_not_exist(orders: Orders) -> None:
    assert (await refused(orders(confirm(expected_version=1)))).reason_name == "ORDER_NOT_FOUND"


async def test_an_expectation_that_a_rival_breaks_in_between_is_refused(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    store.rivals = iter([lambda: elsewhere(add())])
    refusal = await refused(orders(confirm(expected_version=1)))
    assert (refusal.reason_name, refusal.metadata) == ("VERSION_MISMATCH", {"current_version": "2"})


async def test_an_overtaken_command_is_decided_again_on_what_the_rival_made(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    store.rivals = iter([lambda: elsewhere(add(item("5.00")))])
    answer = await orders(add(item("1.00")))
    assert (answer.version, answer.total_amount) == (3, money("16.00"))


async def test_a_command_that_is_overtaken_again_and_again_is_accepted_in_the_end(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    store.rivals = iter([lambda: elsewhere(add(item("1.00")))] * 4)
    answer = await orders(add(item("1.00")))
    assert (answer.version, answer.total_amount) == (6, money("15.00"))


async def test_an_overtaken_command_can_be_refused_for_what_the_rival_made(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    store.rivals = iter([lambda: elsewhere(cancel())])
    refusal = await refused(orders(confirm()))
    assert refusal.reason_name == "NOT_ALLOWED_IN_STATUS"
    assert refusal.metadata["current_version"] == "2"


async def test_two_creations_of_one_id_at_once_make_one_order(orders: Orders, elsewhere: Orders, store: Store) -> None:
    store.rivals = iter([lambda: elsewhere(create(item("99.00")))])
    assert (await refused(orders(create()))).reason_name == "ORDER_ALREADY_EXISTS"
    assert stored(store) == ["OrderCreated"]


async def test_a_command_without_expectation_is_never_refused_for_the_version(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    store.rivals = (lambda: elsewhere(add(item("0"))) for _ in count())
    refusal = await refused(orders(confirm()))
    assert refusal.reason_name == "OVERLOADED", "a rival was faster every time"
    assert "OrderConfirmed" not in stored(store)


async def test_commands_to_one_order_at_once_take_turns_and_none_is_decided_in_vain(
    orders: Orders, store: Store
) -> None:
    await orders(create())
    answers = await asyncio.gather(*[orders(add(request_id=f"r-{number}")) for number in range(50)])
    assert sorted(answer.version for answer in answers) == [*range(2, 52)]
    assert len(store.appends) == 51


async def test_the_same_request_twice_at_once_has_one_effect_and_one_answer(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    first, *others = await asyncio.gather(*[to(add(request_id="r-1")) for to in (orders, orders, elsewhere, elsewhere)])
    assert others == [first] * 3
    assert stored(store) == ["OrderCreated", "ItemAdded"]


async def test_a_caller_who_gives_up_waiting_does_not_hold_up_the_others(orders: Orders) -> None:
    await orders(create())
    calls = [asyncio.create_task(orders(add())) for _ in range(3)]
    await asyncio.sleep(0)
    calls[1].cancel()
    assert [(await each).version for each in (calls[0], calls[2])] == [2, 3]


# States at hand.


async def test_a_refusal_is_judged_on_the_events_not_on_a_state_at_hand(orders: Orders, elsewhere: Orders) -> None:
    await orders(create())
    await elsewhere(confirm())
    assert (await orders(ship())).version == 3
    await elsewhere(deliver())
    refusal = await refused(orders(cancel()))
    assert refusal.reason_name == "CANNOT_CANCEL_DELIVERED_ORDER"


async def test_a_stale_expectation_is_judged_on_the_events_too(orders: Orders, elsewhere: Orders) -> None:
    await orders(create())
    await elsewhere(add())
    assert (await orders(confirm(expected_version=2))).version == 3


async def test_a_rule_is_checked_on_the_events_where_the_state_at_hand_would_allow_it(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await orders(create())
    await elsewhere(cancel())
    assert (await refused(orders(confirm()))).reason_name == "NOT_ALLOWED_IN_STATUS"
    assert stored(store) == ["OrderCreated", "OrderCancelled"]


async def test_a_state_at_hand_saves_the_load(orders: Orders, store: Store) -> None:
    await orders(create())
    await orders(confirm())
    await orders(ship(request_id="r-1"))
    assert store.loads == 0


# Kinds of aggregate.


async def test_an_id_that_is_an_orders_is_no_customers(orders: Orders, customers: Customers, store: Store) -> None:
    await orders(create())
    taken = await refused(customers(register(customer_id=ORDER_ID)))
    assert taken.reason_name == "CUSTOMER_ALREADY_EXISTS"
    assert (await refused(customers(update(customer_id=ORDER_ID)))).reason_name == "CUSTOMER_NOT_FOUND"
    assert (await refused(customers(register(customer_id=ORDER_ID, validate_only=True)))).reason_name == (
        "CUSTOMER_ALREADY_EXISTS"
    )
    assert stored(store) == ["OrderCreated"]


async def test_an_id_that_is_a_customers_is_no_orders(orders: Orders, customers: Customers, store: Store) -> None:
    await customers(register())
    assert (await refused(orders(create(order_id=CUSTOMER_ID)))).reason_name == "ORDER_ALREADY_EXISTS"
    assert (await refused(orders(confirm(order_id=CUSTOMER_ID, expected_version=1)))).reason_name == "ORDER_NOT_FOUND"
    assert stored(store) == ["CustomerRegistered"]


async def test_the_state_of_another_kind_is_that_of_nothing(orders: Orders, customers: Customers) -> None:
    await orders(create())
    await customers(register())
    wanted = [uuid.UUID(CUSTOMER_ID), uuid.UUID(ORDER_ID), uuid.UUID(DRAWN_ID)]
    assert (await customers.handler.state_of(wanted[1])).version == 0
    assert [*await customers.handler.states_of(wanted)] == [wanted[0]]


async def test_an_event_that_no_fold_knows_is_an_error_and_not_skipped(orders: Orders, store: Store) -> None:
    unknown = NewEvent("orderflow.orders.v1.OrderTeleported", b"")
    await store.append(Append("order", uuid.UUID(ORDER_ID), 0, [unknown], b"", None, b""))
    with pytest.raises(UnknownEvent, match="OrderTeleported"):
        await orders(confirm())


# Snapshots.


async def lengthened(orders: Orders, commands_count: int) -> None:
    """An order with so many events."""
    await orders(create())
    for number in range(commands_count - 1):
        await orders(pay("0.01", f"payment {number}"))


async def test_a_long_history_is_folded_once_and_then_kept_as_a_snapshot(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await lengthened(orders, 60)
    assert not store.snapshots, "who has the state at hand loads nothing"
    await elsewhere(add(item()))
    snapshot = store.snapshots[uuid.UUID(ORDER_ID)]
    assert snapshot.version == 60
    third = Orders(store)
    answer = await third(add(item()))
    assert answer.version == 62
    assert await third.handler.state_of(uuid.UUID(ORDER_ID)) == order_aggregate(DELIVERY).fold(store.log)


async def test_a_short_history_is_not_kept(orders: Orders, elsewhere: Orders, store: Store) -> None:
    await lengthened(orders, 25)
    await elsewhere(add(item()))
    assert not store.snapshots


async def test_a_command_is_decided_on_the_snapshot_and_what_came_after(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await lengthened(orders, 60)
    await elsewhere(confirm())
    third = Orders(store)
    assert (await refused(third(add(item())))).reason_name == "NOT_ALLOWED_IN_STATUS"
    assert (await refused(third(pay("0.02", "payment 0")))).reason_name == "INVALID_FIELD"


async def test_what_a_snapshot_holds_is_not_folded_again(orders: Orders, elsewhere: Orders, store: Store) -> None:
    await lengthened(orders, 60)
    await elsewhere(add(item()))
    snapshot = store.snapshots[uuid.UUID(ORDER_ID)]
    forged = snapshot.state.replace(b'"payment 0"', b'"payment x"')
    store.snapshots[uuid.UUID(ORDER_ID)] = replace(snapshot, state=forged)
    assert (await Orders(store)(pay("0.01", "payment 0"))).version == 62, "only the events know of payment 0"


async def test_the_snapshot_of_another_fold_is_passed_by_and_replaced(
    orders: Orders, elsewhere: Orders, store: Store
) -> None:
    await lengthened(orders, 60)
    store.snapshots[uuid.UUID(ORDER_ID)] = Snapshot("an older fold", 99, b"what nobody can read")
    assert (await elsewhere(add(item()))).version == 61
    assert store.snapshots[uuid.UUID(ORDER_ID)].version == 60


async def test_a_snapshot_that_cannot_be_kept_holds_up_no_command(
    orders: Orders, elsewhere: Orders, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    await lengthened(orders, 60)
    monkeypatch.setattr(store, "keep_snapshot", away)
    assert (await elsewhere(add(item()))).version == 61


async def test_customers_whose_states_are_personal_are_kept_nowhere_else(customers: Customers, store: Store) -> None:
    await customers(register())
    for number in range(60):
        await customers(update(name=f"Ada {number}"))
    await Customers(store)(update(name="Ada"))
    assert not store.snapshots
