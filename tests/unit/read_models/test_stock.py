"""The fold of a stock item's events into what is shown of it."""

from typing import get_args

from event_schemas.inventory import EVENT_TYPES, StockEvent
from orderflow.inventory.v1 import stock_item_pb2
from read_models import stock
from tests.unit.read_models.builders import SKU, at, committed, released, reserved, stocked

_HISTORY: tuple[StockEvent, ...] = (stocked(12), reserved(5), released(5), reserved(4), committed(4))
_STATES = ((12, 0, 12), (12, 5, 7), (12, 0, 12), (12, 4, 8), (8, 0, 8))
_TIMES = (0, 1, 2, 1, 3)


def test_each_event_changes_what_it_says_and_nothing_else() -> None:
    item = None
    for version, (event, (on_hand, held, left), time) in enumerate(zip(_HISTORY, _STATES, _TIMES, strict=True), 1):
        before = None if item is None else item.SerializeToString()
        after = stock.evolve(item, event, version)
        assert after == stock_item_pb2.StockItem(
            sku=SKU,
            on_hand=on_hand,
            reserved=held,
            available=left,
            version=version,
            create_time=at(0),
            update_time=at(time),
        )
        assert item is None or item.SerializeToString() == before
        item = after


def test_every_event_of_stock_is_folded() -> None:
    assert {type(event) for event in _HISTORY} == set(get_args(StockEvent)) == set(EVENT_TYPES)
