"""Follows the index of orders once for all who watch it."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from query_service.changed_orders import ChangedOrder, ChangedOrders, Head
from query_service.errors import Overloaded, ReadModelUnavailable

_PATIENCE_SECONDS = 10.0
_KIB = 1024
_log = structlog.get_logger("query_service.change_feed")


@dataclass(frozen=True, slots=True)
class Batch:
    """All orders whose last change lies between two positions.

    Args:
        by_customer: the same ones by customer id.
    """

    after: int
    to: int
    orders: Sequence[ChangedOrder]
    by_customer: Mapping[str, Sequence[ChangedOrder]]


class ChangeFeed:
    """Asks the index for changes again and again while somebody watches, and keeps the last ones for all.

    A watcher that falls behind what is kept reads the index itself from where it is: nobody's slowness costs memory.

    Args:
        poll_seconds: between two looks at the index.
        most_watchers: beyond which more are refused.
        most_kept: changes kept for all, about; one counts once for each KiB of its view.
    """

    def __init__(self, changed: ChangedOrders, *, poll_seconds: float, most_watchers: int, most_kept: int) -> None:
        self._changed = changed
        self._poll_seconds = poll_seconds
        self._most_watchers = most_watchers
        self._most_kept = most_kept
        self._watchers = 0
        self._polling: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self._kept: deque[Batch] = deque()
        self._kept_weight = 0
        self._news = asyncio.Event()
        self._well_at = 0.0
        self._failure: ReadModelUnavailable | None = None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Keeps the feed going for a watcher.

        Raises:
            Overloaded: there are too many watchers.
        """
        if self._watchers >= self._most_watchers:
            raise Overloaded("there are too many watches")
        self._watchers += 1
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll_forever())
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._polling.cancel()
                self._polling = self._head = self._failure = None
                self._keep_nothing()

    async def head(self) -> Head:
        """Up to where everything can be found by now.

        Raises:
            ReadModelUnavailable: the index has been away for a while, or was when the watching began.
        """
        while self._head is None and self._failure is None:
            await self._news.wait()
        if self._failure is not None or self._head is None:
            raise ReadModelUnavailable("the index of orders cannot be followed") from self._failure
        return self._head

    def next(self, generation: str, position: int) -> Batch | None:
        """What comes directly after a position; None where it is not kept, or there is nothing."""
        if self._head is None or self._head.generation != generation:
            return None
        for batch in reversed(self._kept):
            if batch.after <= position:
                return batch if batch.after == position else None
        return None

    async def news_after(self, generation: str, position: int, within: float) -> None:
        """Returns when there is something after a position, or the seconds are over."""
        if self._failure or self._head is None or self._head.generation != generation or self._head.position > position:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._news.wait()

    async def _poll_forever(self) -> None:
        while True:
            try:
                await self._poll()
            except ReadModelUnavailable as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001  # a task that ends tells nobody
                _log.exception("changes cannot be followed, for a reason that was not foreseen")
                self._failed(ReadModelUnavailable(f"the index of orders was not understood ({type(error).__name__})"))
            else:
                self._well_at, self._failure = time.monotonic(), None
            await asyncio.sleep(self._poll_seconds)

    async def _poll(self) -> None:
        head = await self._changed.head()
        if self._head is not None and head == self._head:
            return
        await self._changed.refresh(head.index)
        if self._head is None or head.generation != self._head.generation:
            self._keep_nothing()
            self._move(head)
            return
        after = self._head.position
        async for orders in self._changed.between(head.index, after, head.position, ()):
            to = orders[-1].position
            self._keep(after, to, orders)
            after = to
            self._move(Head(head.index, head.generation, to))
        if after < head.position:
            self._keep(after, head.position, ())
            self._move(head)

    def _failed(self, error: ReadModelUnavailable) -> None:
        if self._head is None or time.monotonic() - self._well_at > _PATIENCE_SECONDS:
            _log.warning("changes cannot be followed", error=error.message)
            self._failure = error
            self._wake()

    def _move(self, head: Head) -> None:
        self._head = head
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _keep(self, after: int, to: int, orders: Sequence[ChangedOrder]) -> None:
        self._kept.append(Batch(after, to, orders, _by_customer(orders)))
        self._kept_weight += _weight(orders)
        while self._kept_weight > self._most_kept:
            self._kept_weight -= _weight(self._kept.popleft().orders)

    def _keep_nothing(self) -> None:
        self._kept.clear()
        self._kept_weight = 0


def _weight(orders: Sequence[ChangedOrder]) -> int:
    """What a batch counts; something even if it is empty."""
    return 1 + sum(1 + len(each.view) // _KIB for each in orders)


def _by_customer(orders: Iterable[ChangedOrder]) -> Mapping[str, Sequence[ChangedOrder]]:
    by_customer: dict[str, list[ChangedOrder]] = defaultdict(list)
    for each in orders:
        by_customer[each.fields["customer_id"]].append(each)
    return by_customer
