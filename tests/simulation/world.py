"""A world of virtual time in which the reconciler runs: real rules and handlers, and everything else can go wrong.

No event loop: coroutines are driven by hand, and pause wherever a process can die or others can go first.
"""

import uuid
from collections.abc import Callable, Collection, Coroutine, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message

from command_service.fulfillment.aggregate import NAMING, fulfillment_aggregate
from command_service.fulfillment.calls import request_id
from command_service.fulfillment.plan import (
    Accepted,
    Call,
    Cancel,
    Commit,
    Confirm,
    Failed,
    Outcome,
    Refused,
    Release,
    Reserve,
)
from command_service.fulfillment.reconciler import Looked, Reconciler
from command_service.fulfillment.state import Fulfillment
from command_service.handler import CommandHandler
from command_service.inventory.aggregate import NAMING as STOCK_NAMING
from command_service.inventory.aggregate import stock_item_aggregate
from command_service.inventory.state import StockItem
from command_service.orders.aggregate import order_aggregate
from command_service.orders.state import Order
from command_service.request import Answer
from orderflow.inventory.v1 import commands_pb2 as stock_commands
from orderflow.orders.v1 import commands_pb2 as order_commands
from orderflow.orders.v1 import order_pb2
from service_kit.errors import ServiceError, TryLater
from tests.simulation.choices import Chooser
from tests.support.memory_event_store import MemoryEventStore
from tests.support.orders import NOW, create, item, money

PAYMENT_TIME = timedelta(hours=1)
LOOK_AGAIN = timedelta(hours=6)
LEASE = timedelta(seconds=15)
ACTS = frozenset({"cancel by hand", "confirm by hand", "ship by hand", "pay", "refund", "restock", "skew"})
FAULTS = frozenset({"die", "freeze", "failed", "answer lost", "late", "very late", "doubled"})
_MOST_ROUNDS = 1000
_QUIET_ROUNDS = 4
"""So often everything due was looked at, and nothing came of it: a lease, a pause, a deadline, a look unasked."""


Found = TypeVar("Found")


class Pause:
    """A place where a process may die or be overtaken; answers what the world decided.

    Args:
        options: what may become of it here; the first where nothing goes wrong.
    """

    def __init__(self, *options: str) -> None:
        self.options = options

    def __await__(self) -> Generator["Pause", str, str]:
        decision = yield self
        return decision


def now_and_at_once(work: Coroutine[Any, Any, Found]) -> Found:
    """What a coroutine that never waits for anything answers."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Found = done.value
        return answer
    raise AssertionError("it waits for something")


@dataclass
class Row:
    """An open fulfillment, as the table has it."""

    due: datetime
    leased_until: datetime
    hints: int = 1


class PausingRecords(CommandHandler[Fulfillment]):
    """A process's own handler, with a pause before and after each event."""

    async def handle(self, message: Any, answer: type[Answer], principal: str = "") -> Answer:
        """The command's answer."""
        await Pause("go on")
        answered = await super().handle(message, answer, principal)
        await Pause("go on")
        return answered


@dataclass
class Process:
    """A fulfillment process that works on one order after the other."""

    work: Coroutine[Any, str, None]
    at: Pause | None = None
    frozen: bool = False


@dataclass
class Script:
    """What people do where nothing goes wrong.

    Args:
        stock: pieces by SKU; a SKU that is not there is unknown.
        orders: pieces by SKU of each order.
        pays, ships: whether somebody does when the order waits for it.
        before: what people do with the orders before anything else.
    """

    stock: Mapping[str, int]
    orders: Sequence[Mapping[str, int]]
    pays: bool = True
    ships: bool = True
    before: Sequence[str] = ()


class World:
    """Everything there is: the log, the servers, the table of what is open, calls on their way, processes.

    Args:
        chooser: says what happens where several things may.
        processes: how many there are at a time.
        acts: what people may do at any moment, each once.
        faults: what may go wrong.
    """

    def __init__(
        self,
        script: Script,
        chooser: Chooser,
        *,
        processes: int = 1,
        acts: Collection[str] = ACTS,
        faults: Collection[str] = FAULTS,
    ) -> None:
        self.script = script
        self.now = NOW
        self.skew = timedelta()
        self.store = MemoryEventStore(clock=lambda: self.now)
        self._chooser = chooser
        self._handler = partial(
            CommandHandler, store=self.store, cached_states=100, clock=self._machine_clock, new_id=uuid.uuid4
        )
        self.orders: CommandHandler[Order] = self._handler(order_aggregate(timedelta(days=5)))
        self.stock: CommandHandler[StockItem] = self._handler(stock_item_aggregate())
        self.rows: dict[uuid.UUID, Row] = {}
        self.late_hints: list[uuid.UUID] = []
        self.in_flight: list[Callable[[], Outcome]] = []
        self._most_processes = processes
        self._processes: list[Process] = []
        self._unused = set(acts)
        self._faults = frozenset(faults)
        self._very_late: list[Callable[[], Outcome]] = []
        self._paid = False
        for sku, pieces in script.stock.items():
            self._stock(stock_commands.UpdateInventoryRequest(sku=sku, set=pieces))
        self.order_ids = [uuid.UUID(int=number + 1) for number in range(len(script.orders))]
        for order_id, items in zip(self.order_ids, script.orders, strict=True):
            lines = [item("10.00", sku=sku, quantity=quantity) for sku, quantity in items.items()]
            mode = order_pb2.FULFILLMENT_MODE_AUTOMATIC
            self._order(create(*lines, order_id=str(order_id), fulfillment_mode=mode))
            self.hint(order_id)
        for act in script.before:
            self._act(act)

    def order(self, order_id: uuid.UUID) -> Order:
        """An order as it is."""
        return now_and_at_once(self.orders.state_of(order_id))

    def item(self, sku: str) -> StockItem:
        """A stock item as it is."""
        return now_and_at_once(self.stock.state_of(STOCK_NAMING.id_of(sku)))

    def fulfillment(self, order_id: uuid.UUID) -> Fulfillment:
        """A fulfillment as it is."""
        records: CommandHandler[Fulfillment] = self._handler(fulfillment_aggregate())
        return now_and_at_once(records.state_of(NAMING.id_of(str(order_id))))

    def hint(self, order_id: uuid.UUID) -> None:
        """A message of an order has come, for the first time or again."""
        row = self.rows.get(order_id)
        if row is None:
            self.rows[order_id] = Row(self.now, self.now)
        else:
            row.due, row.hints = min(row.due, self.now), row.hints + 1

    def play(self) -> None:
        """Lets everything happen until nothing does any more, however long that takes."""
        quiet, events = 0, len(self.store.log)
        for _ in range(_MOST_ROUNDS):
            if self._work_once() or self._let_be_late() or self._people_act():
                continue
            quiet = quiet + 1 if events == len(self.store.log) else 0
            if not self.rows or quiet == _QUIET_ROUNDS:
                if not self._very_late:
                    return
                self._very_late.pop(0)()
                quiet = 0
            events = len(self.store.log)
            self._let_time_pass()
        raise AssertionError("it never ends")

    def be_kind(self) -> None:
        """Lets nothing go wrong from now on."""
        self._chooser = Chooser()

    # What goes on in processes.

    def _work_once(self) -> bool:
        """Lets a process go on to its next pause; False when none can."""
        awake = [each for each in self._processes if not each.frozen]
        claimable = len(awake) < self._most_processes and self._due() is not None
        if claimable:
            self._processes.append(Process(self._process()))
            awake.append(self._processes[-1])
        if not awake:
            return False
        process = self._chooser.choose(awake)
        self._step(process)
        return True

    def _step(self, process: Process) -> None:
        decision = ""
        if process.at is not None:
            first, *others = process.at.options
            faults = [each for each in (*others, "die", "freeze") if each in self._faults]
            decision = self._chooser.choose([first, *faults, *sorted(self._unused)])
            if decision in self._unused:
                self._unused.discard(decision)
                self._act(decision)
                decision = process.at.options[0]
        if decision == "die":
            self._end(process)
        elif decision == "freeze":
            process.frozen = True
            for row in self.rows.values():
                row.leased_until = min(row.leased_until, self.now)  # its lease runs out
        else:
            self._go_on(process, decision)

    def _go_on(self, process: Process, decision: str) -> None:
        try:
            found = process.work.send(decision) if process.at is not None else process.work.send(None)  # type: ignore[arg-type]
        except StopIteration:
            self._processes.remove(process)
        else:
            assert isinstance(found, Pause), "it waits for something else"
            process.at = found

    def _end(self, process: Process) -> None:
        """Its coroutine is closed at a pause, so that nothing of it has an effect any more."""
        process.work.close()
        self._processes.remove(process)

    async def _process(self) -> None:
        reconciler = Reconciler(
            self._handler(order_aggregate(timedelta())),
            PausingRecords(
                fulfillment_aggregate(),
                self.store,
                cached_states=100,
                clock=self._machine_clock,
                new_id=uuid.uuid4,
            ),
            self,
            self._database_clock,
            payment_time=PAYMENT_TIME,
        )
        order_id = self._due()
        if order_id is None:
            return
        row = self.rows[order_id]
        row.leased_until = until = self.now + LEASE
        hints = row.hints
        looked = await reconciler.advance(order_id)
        await Pause("go on")
        if order_id in self.rows and self.rows[order_id].leased_until == until:
            self._settle(order_id, hints, looked)

    def _settle(self, order_id: uuid.UUID, hints: int, looked: Looked) -> None:
        row = self.rows[order_id]
        row.leased_until = self.now
        if looked.finished:
            del self.rows[order_id]
        elif row.hints != hints:
            row.due = self.now
        elif isinstance(looked.again, datetime):
            row.due = looked.again
        else:
            row.due = self.now + (LOOK_AGAIN if looked.again is None else looked.again)

    def _due(self) -> uuid.UUID | None:
        due = [(row.due, each) for each, row in self.rows.items() if max(row.due, row.leased_until) <= self.now]
        return min(due)[1] if due else None

    def _machine_clock(self) -> datetime:
        return self.now + self.skew

    async def _database_clock(self) -> datetime:
        await Pause("go on")
        return self.now

    # Calls, as the reconciler's port.

    async def make(self, order_id: str, call: Call) -> Outcome:
        """What became of a call, for its caller."""
        decision = await Pause("answered", "failed", "answer lost", "late", "very late", "doubled")
        effect = partial(self._effect, order_id, call)
        failed = Failed(f"UNAVAILABLE: {decision}")
        match decision:
            case "answered":
                outcome = effect()
            case "failed":
                return failed
            case "answer lost":
                effect()
                return failed
            case "late":
                self.in_flight.append(effect)
                return failed
            case "very late":
                self._very_late.append(effect)
                return failed
            case _:
                effect()
                outcome = effect()
        await Pause("go on")
        return outcome

    def _effect(self, order_id: str, call: Call) -> Outcome:
        named: dict[str, Any] = {"request_id": request_id(order_id, call), "order_id": order_id}
        try:
            match call:
                case Reserve():
                    self._stock(stock_commands.ReserveStockRequest(**named, sku=call.sku, quantity=call.quantity))
                case Commit():
                    self._stock(stock_commands.CommitStockRequest(**named, sku=call.sku))
                case Release():
                    self._stock(stock_commands.ReleaseStockRequest(**named, sku=call.sku))
                case Confirm():
                    self._order(order_commands.ConfirmOrderRequest(**named))
                case Cancel():
                    self._order(
                        order_commands.CancelOrderRequest(
                            **named,
                            expected_version=call.order_version,
                            reason=call.reason,
                        )
                    )
        except TryLater as error:
            return Failed(str(error))
        except ServiceError as error:
            return Refused(error.reason_name, error.message)
        return Accepted()

    def _order(self, command: Any) -> None:
        answer: type[Message] = getattr(order_commands, type(command).__name__.replace("Request", "Response"))
        before = len(self.store.log)
        now_and_at_once(self.orders.handle(command, answer))
        if len(self.store.log) > before:
            self._tell(uuid.UUID(command.order_id))

    def _stock(self, command: Any) -> None:
        answer: type[Message] = getattr(stock_commands, type(command).__name__.replace("Request", "Response"))
        now_and_at_once(self.stock.handle(command, answer))

    def _tell(self, order_id: uuid.UUID) -> None:
        """An order's event becomes a message: at once, late, or twice; the first of an order at once."""
        if order_id not in self.rows:
            return
        match self._chooser.choose(["at once", "late", "twice"]):
            case "at once":
                self.hint(order_id)
            case "late":
                self.late_hints.append(order_id)
            case _:
                self.hint(order_id)
                self.late_hints.append(order_id)

    # What others do, and time.

    def _let_be_late(self) -> bool:
        """Something late arrives, or a frozen process goes on."""
        if self.in_flight:
            self.in_flight.pop(0)()
            return True
        frozen = next((each for each in self._processes if each.frozen), None)
        if frozen is not None:
            frozen.frozen = False
            return True
        if self.late_hints:
            order_id = self.late_hints.pop()
            if order_id in self.rows:
                self.hint(order_id)
            return True
        return False

    def _people_act(self) -> bool:
        """Somebody pays what waits for payment, or ships what waits for shipment."""
        for order_id in self.order_ids:
            order, step = self.order(order_id), self.fulfillment(order_id).step
            if self.script.pays and step == "AWAITING_PAYMENT" and not order.is_paid and not self._paid:
                self._act("pay")
                return True
            if self.script.ships and order.status == order_pb2.ORDER_STATUS_CONFIRMED and step == "AWAITING_SHIPMENT":
                self._act("ship by hand")
                return True
        return False

    def _act(self, what: str) -> None:
        """Somebody does something with every order; where a rule refuses it, nothing happens."""
        self._paid |= what == "pay"
        if what == "skew":
            self.skew = self._chooser.choose([timedelta(days=-3), timedelta(days=3)])
            return
        if what == "restock":
            for sku in self.script.stock:
                self._stock(stock_commands.UpdateInventoryRequest(sku=sku, adjust=5))
            return
        for order_id in self.order_ids:
            with suppress(ServiceError):
                self._order(self._command(what, order_id))

    def _command(self, what: str, order_id: uuid.UUID) -> Message:
        named: dict[str, Any] = {"order_id": str(order_id)}
        match what:
            case "pay":
                total = money(f"{self.order(order_id).total.nanos // 10**9}.00")
                return order_commands.RecordPaymentRequest(**named, payment_reference="pay", amount=total)
            case "refund":
                return order_commands.RecordRefundRequest(**named, refund_reference="refund", amount=money("1.00"))
            case "cancel by hand":
                return order_commands.CancelOrderRequest(**named, reason="by hand")
            case "confirm by hand":
                return order_commands.ConfirmOrderRequest(**named)
            case "ship by hand":
                return order_commands.ShipOrderRequest(**named, tracking_number="T")
        raise AssertionError(what)

    def _let_time_pass(self) -> None:
        """To the next moment at which something is due."""
        moments = [max(row.due, row.leased_until) for row in self.rows.values()]
        self.now = max(self.now, min(moments, default=self.now))
