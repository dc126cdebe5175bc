"""The rules of stock: what is refused, what changes nothing, and what is never broken."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from hypothesis import given as examples
from hypothesis import strategies as st

from command_service.inventory.aggregate import NAMING, stock_item_aggregate
from command_service.inventory.decider import decide
from command_service.inventory.state import REMEMBERED, StockItem, evolve
from command_service.timestamps import stamp
from event_schemas.inventory import StockEvent
from orderflow.inventory.v1 import commands_pb2 as commands
from orderflow.inventory.v1 import events_pb2 as events
from service_kit.errors import ServiceError
from tests.support.orders import NOW, ORDER_ID, Given

SKU = "PEN-1"
OTHER_ID = "5b0b1e52-1d0e-4a63-9f3f-3b8a6c1f7d01"
THIRD_ID = "7e2d4c11-0f3a-4d2b-8c55-9a1b2c3d4e5f"


def put(pieces: int, **changes: Any) -> commands.UpdateInventoryRequest:
    return commands.UpdateInventoryRequest(**{"sku": SKU, "set": pieces, **changes})


def adjust(by: int) -> commands.UpdateInventoryRequest:
    return commands.UpdateInventoryRequest(sku=SKU, adjust=by)


def reserve(quantity: int = 3, order_id: str = ORDER_ID) -> commands.ReserveStockRequest:
    return commands.ReserveStockRequest(sku=SKU, order_id=order_id, quantity=quantity)


def release(order_id: str = ORDER_ID) -> commands.ReleaseStockRequest:
    return commands.ReleaseStockRequest(sku=SKU, order_id=order_id)


def commit(order_id: str = ORDER_ID) -> commands.CommitStockRequest:
    return commands.CommitStockRequest(sku=SKU, order_id=order_id)


def updated(on_hand: int, by: int | None = None, *, at: timedelta = timedelta()) -> events.InventoryUpdated:
    by = on_hand if by is None else by
    return events.InventoryUpdated(sku=SKU, on_hand=on_hand, adjustment=by, update_time=stamp(NOW + at))


def reserved(quantity: int = 3, order_id: str = ORDER_ID) -> events.StockReserved:
    return events.StockReserved(sku=SKU, order_id=order_id, quantity=quantity, reserve_time=stamp(NOW))


def released(quantity: int = 3, order_id: str = ORDER_ID, *, at: timedelta = timedelta()) -> events.StockReleased:
    return events.StockReleased(sku=SKU, order_id=order_id, quantity=quantity, release_time=stamp(NOW + at))


def committed(quantity: int = 3, order_id: str = ORDER_ID) -> events.StockCommitted:
    return events.StockCommitted(sku=SKU, order_id=order_id, quantity=quantity, commit_time=stamp(NOW))


def folded(*history: Message) -> StockItem:
    return reduce(evolve, cast("Sequence[StockEvent]", history), StockItem())


def given(*history: Message) -> Given:
    item = folded(*history)
    return Given(lambda command: decide(command, item, NOW))


def test_an_unknown_item_begins_with_what_it_is_set_to() -> None:
    given().when(put(10)).then(updated(10))


def test_an_unknown_item_begins_with_none_where_it_is_adjusted() -> None:
    given().when(adjust(4)).then(updated(4))


def test_an_unknown_item_may_be_known_to_be_sold_out() -> None:
    given().when(put(0)).then(updated(0))


def test_a_version_is_expected_of_an_unknown_item() -> None:
    given().when(put(10, expected_version=1)).then_refused("STOCK_ITEM_NOT_FOUND")


@pytest.mark.parametrize("command", [reserve(), release(), commit()])
def test_an_unknown_item_holds_nothing_for_anybody(command: Message) -> None:
    given().when(command).then_refused("STOCK_ITEM_NOT_FOUND")


def test_stock_is_set_and_adjusted() -> None:
    given(updated(10)).when(put(12)).then(updated(12, 2))
    given(updated(10)).when(adjust(-10)).then(updated(0, -10))


def test_setting_what_is_there_changes_nothing() -> None:
    given(updated(10)).when(put(10)).then()


def test_stock_never_goes_below_zero() -> None:
    given(updated(10)).when(adjust(-11)).then_refused("INSUFFICIENT_STOCK").telling(
        subject="stock_item/PEN-1", current_version="1", on_hand="10", reserved="0", available="10"
    )


def test_stock_never_goes_below_what_orders_hold() -> None:
    held = given(updated(10), reserved(3))
    held.when(put(3)).then(updated(3, -7))
    held.when(put(2)).then_refused("INSUFFICIENT_STOCK").telling(
        subject="stock_item/PEN-1", current_version="2", on_hand="10", reserved="3", available="7"
    )


def test_more_than_a_billion_pieces_are_refused() -> None:
    given(updated(1_000_000_000)).when(adjust(1)).then_refused("INVALID_FIELD", "adjust")


def test_pieces_are_held_for_an_order() -> None:
    given(updated(3)).when(reserve(3)).then(reserved(3))


def test_more_than_is_available_is_refused_whole() -> None:
    given(updated(5), reserved(3, OTHER_ID)).when(reserve(3)).then_refused("INSUFFICIENT_STOCK").telling(
        subject="stock_item/PEN-1", current_version="2", on_hand="5", reserved="3", available="2"
    )


def test_a_repeated_reservation_does_nothing() -> None:
    given(updated(3), reserved(3)).when(reserve(3)).then()
    given(updated(3), reserved(3)).when(reserve(3, ORDER_ID.upper())).then()


def test_an_order_reserves_once() -> None:
    given(updated(9), reserved(3)).when(reserve(4)).then_refused("INVALID_FIELD", "quantity")


def test_what_an_order_held_is_given_back() -> None:
    given(updated(9), reserved(3)).when(release()).then(released(3))
    assert folded(updated(9), reserved(3), released(3)).available == 9


def test_a_repeated_release_does_nothing() -> None:
    given(updated(9), reserved(3), released(3)).when(release()).then()


def test_a_reservation_that_comes_after_its_release_is_refused() -> None:
    given(updated(9)).when(release()).then(released(0))
    given(updated(9), released(0)).when(reserve()).then_refused("NOT_ALLOWED_IN_STATUS")


def test_an_order_that_has_released_reserves_nothing_again() -> None:
    given(updated(9), reserved(3), released(3)).when(reserve()).then_refused("NOT_ALLOWED_IN_STATUS")


def test_a_release_is_remembered_for_thirty_days_at_least() -> None:
    later = [released(0, OTHER_ID, at=REMEMBERED - timedelta(seconds=1))]
    given(updated(9), released(0), *later).when(reserve()).then_refused("NOT_ALLOWED_IN_STATUS")
    much_later = [released(0, OTHER_ID, at=REMEMBERED)]
    given(updated(9), released(0), *much_later).when(reserve()).then(reserved())


def test_what_was_shipped_has_left_the_stock() -> None:
    given(updated(9), reserved(3)).when(commit()).then(committed(3))
    item = folded(updated(9), reserved(3), committed(3))
    assert (item.on_hand, item.reserved, item.available) == (6, 0, 6)


def test_a_repeated_commitment_does_nothing() -> None:
    given(updated(9), reserved(3), committed(3)).when(commit()).then()


def test_only_what_is_held_is_committed() -> None:
    given(updated(9)).when(commit()).then_refused("NOT_ALLOWED_IN_STATUS")
    given(updated(9), reserved(3), released(3)).when(commit()).then_refused("NOT_ALLOWED_IN_STATUS")


def test_what_has_left_is_not_given_back() -> None:
    given(updated(9), reserved(3), committed(3)).when(release()).then_refused("NOT_ALLOWED_IN_STATUS")


ORDERS = st.sampled_from([ORDER_ID, OTHER_ID, THIRD_ID])
COMMANDS = st.one_of(
    st.integers(0, 12).map(put),
    st.integers(-12, 12).filter(bool).map(adjust),
    st.builds(reserve, st.integers(1, 8), ORDERS),
    st.builds(release, ORDERS),
    st.builds(commit, ORDERS),
)


@examples(st.lists(COMMANDS, max_size=40))
def test_orders_never_hold_more_than_is_there(sequence: list[Any]) -> None:
    item = StockItem()
    counted = 0
    for command in sequence:
        try:
            made = decide(command, item, NOW)
        except ServiceError:
            continue
        for event in made:
            item = evolve(item, event)
            if isinstance(event, events.InventoryUpdated):
                counted += event.adjustment
            elif isinstance(event, events.StockCommitted):
                counted -= event.quantity
        assert 0 <= item.reserved <= item.on_hand
        assert item.on_hand == counted
        assert not item.reservations.keys() & item.settled.keys()
        if not (isinstance(command, commands.UpdateInventoryRequest) and command.HasField("adjust")):
            assert decide(command, item, NOW) == [], "a repeat does nothing"


def test_a_state_comes_back_from_its_snapshot() -> None:
    snapshots = stock_item_aggregate().snapshots
    assert snapshots is not None
    item = folded(updated(9), reserved(3), released(3), reserved(2, OTHER_ID), committed(2, OTHER_ID))
    assert snapshots.read(snapshots.write(item)) == item


def test_an_item_has_its_id_for_ever() -> None:
    assert NAMING.id_of("PEN-1") == uuid.UUID("6dce92b0-d4c4-5f04-84cd-f0f41e80fca7")
