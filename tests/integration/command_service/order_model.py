"""What the append path owes to whoever sends orders' commands, in the plainest words; shares no code with it."""

import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import order_pb2
from tests.support.orders import money

_DERIVED_IDS = uuid.UUID("6f726465-7266-5c6f-8077-636f6d6d616e")
_CENTS = 10_000_000
PENDING, CONFIRMED, CANCELLED = (
    order_pb2.ORDER_STATUS_PENDING,
    order_pb2.ORDER_STATUS_CONFIRMED,
    order_pb2.ORDER_STATUS_CANCELLED,
)


@dataclass
class ModelOrder:
    """An order as its clients understand it.

    Args:
        events: the short type of each event and the id of the request that made it.
        payments: cents by payment reference.
    """

    status: int = order_pb2.ORDER_STATUS_UNSPECIFIED
    events: list[tuple[str, str]] = field(default_factory=list)
    total: int = 0
    payments: dict[str, int] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """The number of its events."""
        return len(self.events)


@dataclass
class OrderModel:
    """Takes commands with their outcomes, one after the other, and tells those that cannot be.

    Args:
        accepted: by shard and request id, the command and the bytes of its answer.
    """

    shards: int
    orders: dict[str, ModelOrder] = field(default_factory=dict)
    accepted: dict[tuple[int, str], tuple[Any, bytes]] = field(default_factory=dict)

    def version(self, order_id: str) -> int:
        """The order's version; 0 where there is none."""
        return self.orders[order_id].version if order_id in self.orders else 0

    def taking(self, command: Any, outcome: bytes | str) -> "OrderModel | None":
        """The model after a command with this outcome, an answer's bytes or a reason; None where it cannot be."""
        after = deepcopy(self)
        return after if after._take(command, outcome) else None  # noqa: SLF001 -- its own copy

    def expected(self, command: Any) -> str:
        """What the command's outcome must be, for whoever reads a failure."""
        known = self._known(command)
        if known is not None:
            return "the first answer" if known[0] == command else "REQUEST_ID_REUSED"
        return _judged(command, self.orders.get(order_id_of(command), ModelOrder())) or "no event"

    def _take(self, command: Any, outcome: bytes | str) -> bool:
        known = self._known(command)
        if known is not None:
            return outcome == (known[1] if known[0] == command else "REQUEST_ID_REUSED")
        order_id = order_id_of(command)
        if not order_id:  # drawn by the server
            if isinstance(outcome, str):
                return False
            order_id = commands.CreateOrderResponse.FromString(outcome).order_id
            if order_id in self.orders:
                return False
        order = self.orders.get(order_id, ModelOrder())
        event = _judged(command, order)
        if event.isupper() or isinstance(outcome, str):
            return outcome == event
        if event:
            order.events.append((event, command.request_id))
            _change(order, command)
            self.orders[order_id] = order
        if command.request_id:
            self.accepted[self._key(order_id, command.request_id)] = (command, outcome)
        return _shows(command, outcome, order_id, order)

    def _known(self, command: Any) -> tuple[Any, bytes] | None:
        if not command.request_id:
            return None
        return self.accepted.get(self._key(order_id_of(command), command.request_id))

    def _key(self, order_id: str, request_id: str) -> tuple[int, str]:
        return uuid.UUID(order_id).int % self.shards, request_id


def order_id_of(command: Any) -> str:
    """The order that a command is about; empty where the server draws a new id."""
    if command.order_id or not command.request_id:
        return str(command.order_id)
    return str(uuid.uuid5(_DERIVED_IDS, f"order\0anonymous\0{command.request_id}"))


def _judged(command: Any, order: ModelOrder) -> str:  # noqa: PLR0911 -- one answer a case
    """The event that a command makes, or the reason it is refused for; empty where it changes nothing."""
    creates = isinstance(command, commands.CreateOrderRequest)
    if not order.version:
        return "OrderCreated" if creates else "ORDER_NOT_FOUND"
    if not creates and command.HasField("expected_version") and command.expected_version != order.version:
        return "VERSION_MISMATCH"
    match command:
        case commands.CreateOrderRequest():
            return "ORDER_ALREADY_EXISTS"
        case commands.AddItemRequest():
            return "ItemAdded" if order.status == PENDING else "NOT_ALLOWED_IN_STATUS"
        case commands.ConfirmOrderRequest():
            return "OrderConfirmed" if order.status == PENDING else "NOT_ALLOWED_IN_STATUS"
        case commands.CancelOrderRequest():
            return "ALREADY_CANCELLED" if order.status == CANCELLED else "OrderCancelled"
        case commands.RecordPaymentRequest():
            return _payment_judged(command, order)
    raise AssertionError(command)


def _payment_judged(command: Any, order: ModelOrder) -> str:
    known = order.payments.get(command.payment_reference)
    if known is not None:
        return "" if known == _cents(command.amount) else "INVALID_FIELD"
    if order.status == CANCELLED:
        return "NOT_ALLOWED_IN_STATUS"
    left = order.total - sum(order.payments.values())
    return "PaymentProcessed" if _cents(command.amount) <= left else "INVALID_FIELD"


def _change(order: ModelOrder, command: Any) -> None:
    match command:
        case commands.CreateOrderRequest():
            order.status = PENDING
            order.total = sum(each.quantity * _cents(each.unit_price) for each in command.items)
        case commands.AddItemRequest():
            order.total += command.item.quantity * _cents(command.item.unit_price)
        case commands.ConfirmOrderRequest():
            order.status = CONFIRMED
        case commands.CancelOrderRequest():
            order.status = CANCELLED
        case commands.RecordPaymentRequest():
            order.payments[command.payment_reference] = _cents(command.amount)


def _shows(command: Any, answer: bytes, order_id: str, order: ModelOrder) -> bool:
    """True when an answer tells the order's state."""
    shown: Any = getattr(commands, type(command).__name__.replace("Request", "Response")).FromString(answer)
    total = money(f"{order.total // 100}.{order.total % 100:02}")
    return (shown.order_id, shown.version, shown.status, shown.total_amount) == (
        order_id,
        order.version,
        order.status,
        total,
    )


def _cents(amount: Any) -> int:
    return int(amount.units * 100 + amount.nanos // _CENTS)
