"""The order as the command handler sees it."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import event_schemas.orders
from command_service import timestamps
from command_service.aggregate import Aggregate
from command_service.errors import OrderAlreadyExists
from command_service.naming import ById
from command_service.orders import money, state
from command_service.orders.decider import decide
from command_service.orders.state import Order, evolve
from command_service.snapshots import Snapshots
from orderflow.orders.v1 import commands_pb2 as commands

TYPE = "order"


def order_aggregate(delivery: timedelta) -> Aggregate[Order]:
    """The order, with delivery expected so long after creation or confirmation."""
    return Aggregate(
        name=TYPE,
        creates=commands.CreateOrderRequest,
        naming=ById("order_id"),
        initial=Order(),
        decide=partial(decide, delivery=delivery),
        evolve=evolve,
        events=event_schemas.orders.EVENT_TYPES,
        facts=_facts,
        attributes=_attributes,
        id_taken=lambda taken: OrderAlreadyExists(f"the id {taken} is taken"),
        snapshots=Snapshots(TYPE, Order, [state, money, timestamps, event_schemas.orders]),
    )


def _facts(order: Order) -> Mapping[str, Any]:
    return {
        "order_id": order.order_id,
        "status": order.status,
        "total_amount": order.total.to_money(),
        "estimated_delivery_time": order.estimated_delivery and timestamps.stamp(order.estimated_delivery),
    }


def _attributes(command: Any) -> Mapping[str, str | int]:
    if not isinstance(command, commands.CreateOrderRequest):
        return {}
    return {"orderflow.customer.id": command.customer_id.lower(), "orderflow.order.item_count": len(command.items)}
