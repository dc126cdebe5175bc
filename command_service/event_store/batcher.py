"""Turns concurrent appends to one shard into batches: what arrives while a commit runs forms the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from command_service.errors import Overloaded
from command_service.event_store.port import Append, Outcome

MAX_BATCH_COMMANDS = 256
MAX_BATCH_BYTES = 4_000_000
_RETRY_AFTER = timedelta(milliseconds=200)

Commit = Callable[[Sequence[Append]], Awaitable[Sequence[Outcome | Exception]]]


class Batcher:
    """Commits appends in batches, one batch at a time, without a timer.

    A batch holds at most one command per aggregate and per request id: two would pass the same head check and
    then fail together on a constraint. The others wait for the next batch.

    Args:
        commit: stores a batch and answers an outcome, or an exception, for each of its appends, in order.
        max_waiting: appends that may wait; beyond it they are refused at once.
    """

    def __init__(self, commit: Commit, *, max_waiting: int) -> None:
        self._commit = commit
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Append, asyncio.Future[Outcome]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def append(self, append: Append) -> Outcome:
        """The append's outcome. A caller that is cancelled while it waits is left out; a commit is never cancelled.

        Raises:
            Overloaded: too many wait already.
            StoreUnavailable: the outcome stays unknown, or the store is away.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded("too many commands are waiting", retry_after=_RETRY_AFTER)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((append, outcome))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await outcome

    async def drain(self) -> None:
        """Returns when nothing waits and no commit runs."""
        while self._working is not None:
            await asyncio.wait({self._working})

    async def _work(self) -> None:
        try:
            while batch := self._take():
                await self._settle(batch)
        finally:
            self._working = None

    async def _settle(self, batch: Sequence[tuple[Append, "asyncio.Future[Outcome]"]]) -> None:
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = await self._commit([append for append, _ in batch])
        except Exception as error:  # noqa: BLE001 -- each caller gets it
            outcomes = [error] * len(batch)
        for (_, waiting), outcome in zip(batch, outcomes, strict=True):
            if waiting.done():
                continue
            if isinstance(outcome, Exception):
                waiting.set_exception(outcome)
            else:
                waiting.set_result(outcome)

    def _take(self) -> list[tuple[Append, "asyncio.Future[Outcome]"]]:
        batch: list[tuple[Append, asyncio.Future[Outcome]]] = []
        later: list[tuple[Append, asyncio.Future[Outcome]]] = []
        taken: set[object] = set()
        size = 0
        while self._waiting and len(batch) < MAX_BATCH_COMMANDS and size < MAX_BATCH_BYTES:
            append, waiting = self._waiting.popleft()
            if waiting.cancelled():
                continue
            marks = _marks(append)
            if taken.isdisjoint(marks):
                taken.update(marks)
                batch.append((append, waiting))
                size += sum(len(event.event_data) for event in append.events)
            else:
                later.append((append, waiting))
        self._waiting.extendleft(reversed(later))
        return batch


def _marks(append: Append) -> set[object]:
    """What no other append of the same batch may share."""
    if append.request is None:
        return {append.aggregate_id}
    return {append.aggregate_id, (append.request.principal, append.request.request_id)}
