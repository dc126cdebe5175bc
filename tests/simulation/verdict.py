"""What must hold in a simulated world in which nothing happens any more."""

import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from command_service.fulfillment.state import Step
from command_service.orders.state import Order
from event_schemas.aggregates import AGGREGATES
from orderflow.events.v1.event_log_pb2 import RecordedEvent
from orderflow.fulfillment.v1 import events_pb2 as fulfillment_events
from orderflow.inventory.v1 import events_pb2 as stock_events
from orderflow.orders.v1 import events_pb2 as order_events
from orderflow.orders.v1 import order_pb2
from tests.simulation.world import World
from tests.support.orders import folded

_TYPES = {each.type: each for each in AGGREGATES}
_TIMED_OUT = "not paid in full by "


def check(world: World) -> None:
    """Raises AssertionError where a guarantee does not hold."""
    for order_id in world.order_ids:
        _check_end(world, order_id)
        _check_time_out(world, order_id)
    _check_stock(world)
    _check_that_nothing_more_happens(world)


def _check_end(world: World, order_id: uuid.UUID) -> None:
    """Every order ends confirmed, shipped, or cancelled with its stock released."""
    order, fulfillment = world.order(order_id), world.fulfillment(order_id)
    held = {sku: world.item(sku).reservations.get(str(order_id), 0) for sku in world.script.stock}
    wanted = {line.sku: line.quantity for line in order.lines if line.sku in world.script.stock}
    if order.shipped:
        assert fulfillment.step is Step.COMPLETED
        assert not any(held.values())
    elif order.status == order_pb2.ORDER_STATUS_CANCELLED:
        assert fulfillment.step in {Step.CANCELLED, Step.NONE}
        assert not any(held.values())
        assert fulfillment.step is Step.NONE or order.cancel_reason in {fulfillment.cancel_reason, "by hand"}
    else:
        assert order.status == order_pb2.ORDER_STATUS_CONFIRMED
        assert fulfillment.step is Step.AWAITING_SHIPMENT
        assert {sku: pieces for sku, pieces in held.items() if pieces} == wanted
        assert not world.script.ships
    assert str(order_id) not in {
        each.aggregate_id for each in world.store.log if each.aggregate_type == "fulfillment"
    }, "ids of fulfillments are their own"


def _check_time_out(world: World, order_id: uuid.UUID) -> None:
    """Who paid in time is not cancelled for not having paid; who did not is not cancelled too early."""
    history = [each for each in world.store.log if each.aggregate_id == str(order_id)]
    for place, each in enumerate(history):
        event = _event(each)
        if isinstance(event, order_events.OrderCancelled) and event.reason.startswith(_TIMED_OUT):
            before: Order = folded(*map(_event, history[:place]))
            assert not before.is_paid
            deadline = max(
                _time(awaited.payment_deadline_time)
                for other in world.store.log
                if isinstance(awaited := _event(other), fulfillment_events.PaymentAwaited)
                and awaited.order_id == str(order_id)
                and other.position < each.position
            )
            assert _time(each.record_time) >= deadline


def _check_stock(world: World) -> None:
    """Not a piece is lost, made, or held twice."""
    for sku, initial in world.script.stock.items():
        happened = [
            event
            for each in world.store.log
            if each.aggregate_type == "stock_item" and (event := _event(each)).sku == sku
        ]
        adjusted = sum(each.adjustment for each in happened if isinstance(each, stock_events.InventoryUpdated))
        committed = sum(each.quantity for each in happened if isinstance(each, stock_events.StockCommitted))
        assert world.item(sku).on_hand + committed == adjusted >= initial
        reserved = Counter(each.order_id for each in happened if isinstance(each, stock_events.StockReserved))
        assert all(times == 1 for times in reserved.values())


def _check_that_nothing_more_happens(world: World) -> None:
    """All messages from the beginning on, once more, change nothing."""
    world.be_kind()
    events = len(world.store.log)
    for order_id in world.order_ids:
        world.hint(order_id)
    world.play()
    assert len(world.store.log) == events


def _event(recorded: RecordedEvent) -> Any:
    return _TYPES[recorded.aggregate_type].events.parse(recorded.event_type, recorded.event_data)


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
