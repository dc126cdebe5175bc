"""The rules of stock: from a command and the present state to events, or to a refusal."""

from datetime import datetime
from typing import TypeAlias, assert_never

from command_service.errors import InsufficientStock, NotAllowedInStatus, StockItemNotFound
from command_service.inventory.state import StockItem
from command_service.timestamps import stamp
from event_schemas.inventory import StockEvent
from orderflow.inventory.v1 import commands_pb2 as commands
from orderflow.inventory.v1 import events_pb2 as events
from service_kit.errors import InvalidArgument

Command: TypeAlias = (
    commands.UpdateInventoryRequest
    | commands.ReserveStockRequest
    | commands.ReleaseStockRequest
    | commands.CommitStockRequest
)
MAX_ON_HAND = 1_000_000_000


def decide(command: Command, item: StockItem, now: datetime) -> list[StockEvent]:
    """The events that a command makes of a stock item; none when it is accepted and changes nothing.

    Args:
        command: as the validation rules of the contract let it pass.
        now: the time that goes into the events.

    Raises:
        ServiceError: a rule refuses the command; the reason is the contract's.
    """
    begins = isinstance(command, commands.UpdateInventoryRequest) and not command.HasField("expected_version")
    if item.version == 0 and not begins:
        raise StockItemNotFound(f"no stock was ever recorded for {command.sku!r}")
    match command:
        case commands.UpdateInventoryRequest():
            return _updated(command, item, now)
        case commands.ReserveStockRequest():
            return _reserved(command, item, now)
        case commands.ReleaseStockRequest():
            return _released(command, item, now)
        case commands.CommitStockRequest():
            return _committed(command, item, now)
    assert_never(command)


def _updated(command: commands.UpdateInventoryRequest, item: StockItem, now: datetime) -> list[StockEvent]:
    field = command.WhichOneof("change") or ""
    on_hand = command.set if field == "set" else item.on_hand + command.adjust
    if on_hand > MAX_ON_HAND:
        raise InvalidArgument.of(field, f"there would be more than {MAX_ON_HAND} pieces")
    if on_hand < item.reserved:
        raise InsufficientStock(
            f"{on_hand} pieces would be left, and orders hold {item.reserved}",
            subject=_subject(command.sku),
            metadata=_facts(item),
        )
    if item.version and on_hand == item.on_hand:
        return []
    return [
        events.InventoryUpdated(
            sku=command.sku, on_hand=on_hand, adjustment=on_hand - item.on_hand, update_time=stamp(now)
        )
    ]


def _reserved(command: commands.ReserveStockRequest, item: StockItem, now: datetime) -> list[StockEvent]:
    order_id = command.order_id.lower()
    held = item.reservations.get(order_id)
    if held == command.quantity:
        return []
    if held is not None:
        raise InvalidArgument.of("quantity", f"the order holds {held} already")
    _refuse_if_settled(item, order_id)
    if command.quantity > item.available:
        raise InsufficientStock(
            f"{command.quantity} pieces are wanted, and {item.available} available",
            subject=_subject(item.sku),
            metadata=_facts(item),
        )
    return [events.StockReserved(sku=item.sku, order_id=order_id, quantity=command.quantity, reserve_time=stamp(now))]


def _released(command: commands.ReleaseStockRequest, item: StockItem, now: datetime) -> list[StockEvent]:
    order_id = command.order_id.lower()
    settled = item.settled.get(order_id)
    if settled is not None and settled.outcome == "released":
        return []
    _refuse_if_settled(item, order_id)
    held = item.reservations.get(order_id, 0)
    return [events.StockReleased(sku=item.sku, order_id=order_id, quantity=held, release_time=stamp(now))]


def _committed(command: commands.CommitStockRequest, item: StockItem, now: datetime) -> list[StockEvent]:
    order_id = command.order_id.lower()
    settled = item.settled.get(order_id)
    if settled is not None and settled.outcome == "committed":
        return []
    _refuse_if_settled(item, order_id)
    held = item.reservations.get(order_id)
    if held is None:
        raise _not_allowed(item, "the order holds nothing of it")
    return [events.StockCommitted(sku=item.sku, order_id=order_id, quantity=held, commit_time=stamp(now))]


def _refuse_if_settled(item: StockItem, order_id: str) -> None:
    settled = item.settled.get(order_id)
    if settled is not None:
        raise _not_allowed(item, f"the order has {settled.outcome} before")


def _not_allowed(item: StockItem, why: str) -> NotAllowedInStatus:
    return NotAllowedInStatus(why, subject=_subject(item.sku), metadata=_facts(item))


def _subject(sku: str) -> str:
    return f"stock_item/{sku}"


def _facts(item: StockItem) -> dict[str, str]:
    return {
        "current_version": str(item.version),
        "on_hand": str(item.on_hand),
        "reserved": str(item.reserved),
        "available": str(item.available),
    }
