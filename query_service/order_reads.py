"""Reads single orders from the index for the cache: each once for all who ask, and not too many at once."""

import asyncio
from contextlib import suppress
from functools import partial

from cachetools import TTLCache

from query_service.deadline import Deadline
from query_service.errors import Overloaded, ReadModelUnavailable
from query_service.order_cache import OrderCache
from query_service.order_index import OrderIndex
from query_service.single_flight import SingleFlight
from query_service.stored_order import StoredOrder
from service_kit.view_cache import Absent, Lease

_LOOK_AGAIN_SECONDS = 0.01
_LONGEST_SECONDS = 60.0
_REMEMBERED_SECONDS = 1.0
_REMEMBERED_BYTES = 16 * 1024 * 1024


class OrderReads:
    """Reads orders that the cache has not, and puts there what it finds, also that there is no such order.

    All who ask for an order while it is being read share the read; of several processes one reads, and the others
    find in the cache what it put there, or read themselves where it does not come. While the cache is away, this
    process remembers for a second what it has read, so that orders that everybody asks for are not read for each.

    Args:
        at_once: how many reads Elasticsearch is sent at a time, so that a cache that is away or empty does not
            topple it.
        most_waiting: orders that are read or wait for it.
    """

    def __init__(self, cache: OrderCache, index: OrderIndex, *, at_once: int, most_waiting: int) -> None:
        self._cache = cache
        self._index = index
        self._slots = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._flights: SingleFlight[StoredOrder | Absent | None] = SingleFlight()
        self._remembered: TTLCache[str, StoredOrder] = TTLCache(
            _REMEMBERED_BYTES, _REMEMBERED_SECONDS, getsizeof=lambda order: order.view.ByteSize()
        )

    async def order(
        self, order_id: str, seen: StoredOrder | Absent | None, deadline: Deadline, *, newest: bool
    ) -> StoredOrder | Absent | None:
        """The order, or what else the cache holds by now; None where there is none.

        Args:
            seen: what the cache held, and will not do.
            newest: whether what was read a moment ago will not do either.

        Raises:
            ReadModelUnavailable: Elasticsearch is away, or did not answer by the deadline.
            Overloaded: too many wait already.
        """
        if not newest and (remembered := self._remembered.get(order_id)):
            return remembered
        if len(self._flights) >= self._most_waiting and order_id not in self._flights:
            raise Overloaded("too many orders are being read at once")
        try:
            async with asyncio.timeout(deadline.within(_LONGEST_SECONDS)):
                return await self._flights.do(order_id, partial(self._read, order_id, seen))
        except TimeoutError as error:
            raise ReadModelUnavailable("the order was not read by the deadline") from error

    async def _read(self, order_id: str, seen: StoredOrder | Absent | None) -> StoredOrder | Absent | None:
        while (lease := await self._lease(order_id)) != Lease.OURS:
            found = await self._cache.peek(order_id)
            if found is not None and found != seen:
                return found
            if lease == Lease.NOBODYS:
                return await self._fetch(order_id)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        try:
            return await self._fetch(order_id)
        except BaseException:  # also when nobody waits any more: others need not wait for the lease's end
            await self._cache.release(order_id)
            raise

    async def _lease(self, order_id: str) -> Lease:
        """The cache's answer; a lease that comes when nobody waits for it any more is given back."""
        leasing = asyncio.create_task(self._cache.lease(order_id))
        try:
            return await asyncio.shield(leasing)
        except asyncio.CancelledError:
            if await leasing == Lease.OURS:
                await self._cache.release(order_id)
            raise

    async def _fetch(self, order_id: str) -> StoredOrder | None:
        async with self._slots:
            order = await self._index.get(order_id, Deadline(None))  # of all who wait: none's deadline ends it
        if order is None:
            await self._cache.put_absent(order_id)
        else:
            await self._cache.put(order)
            if self._cache.is_away:
                self._remember(order)
        return order

    def _remember(self, order: StoredOrder) -> None:
        with suppress(ValueError):  # too large
            self._remembered[order.view.order_id] = order
