"""A stock item as the rules see it, and how each event changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, assert_never

from command_service.timestamps import moment_of
from event_schemas.inventory import StockEvent
from orderflow.inventory.v1 import events_pb2 as events

REMEMBERED = timedelta(days=30)
Outcome: TypeAlias = Literal["released", "committed"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an order's reservation, and when."""

    outcome: Outcome
    at: datetime


@dataclass(frozen=True, slots=True)
class StockItem:
    """A stock item's state after the first `version` of its events; version 0 is none.

    Args:
        on_hand: pieces there are; never less than what is reserved.
        reservations: pieces held, by order.
        settled: orders that hold nothing any more, in the order in which that came; each for `REMEMBERED` at least.
    """

    sku: str = ""
    version: int = 0
    on_hand: int = 0
    reservations: Mapping[str, int] = field(default_factory=dict)
    settled: Mapping[str, Settled] = field(default_factory=dict)

    @property
    def reserved(self) -> int:
        """How many pieces orders hold."""
        return sum(self.reservations.values())

    @property
    def available(self) -> int:
        """How many pieces can still be reserved."""
        return self.on_hand - self.reserved


def evolve(item: StockItem, event: StockEvent) -> StockItem:
    """The stock item after an event; it happened, so nothing is refused here."""
    item = replace(item, sku=event.sku, version=item.version + 1)
    match event:
        case events.InventoryUpdated():
            return replace(item, on_hand=event.on_hand)
        case events.StockReserved():
            return replace(item, reservations={**item.reservations, event.order_id: event.quantity})
        case events.StockReleased():
            return _settled(item, event.order_id, Settled("released", moment_of(event.release_time)))
        case events.StockCommitted():
            item = replace(item, on_hand=item.on_hand - event.quantity)
            return _settled(item, event.order_id, Settled("committed", moment_of(event.commit_time)))
    assert_never(event)


def _settled(item: StockItem, order_id: str, settled: Settled) -> StockItem:
    left = {each: quantity for each, quantity in item.reservations.items() if each != order_id}
    remembered = {each: before for each, before in item.settled.items() if before.at > settled.at - REMEMBERED}
    return replace(item, reservations=left, settled={**remembered, order_id: settled})
