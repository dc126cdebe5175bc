"""Turns concurrent appends to one shard into batches: what arrives while commits run forms the next one."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from opentelemetry import trace

from command_service.errors import Overloaded
from command_service.event_store.port import Append, Outcome
from service_kit.arrivals import arrived

MAX_BATCH_COMMANDS = 128
MAX_BATCH_BYTES = 4_000_000
_GATHERED = 32
_RETRY_AFTER = timedelta(milliseconds=200)

Commit = Callable[[Sequence[Append]], Awaitable[Sequence[Outcome | Exception]]]


@dataclass(slots=True)
class _Waiting:
    """An append, who awaits its outcome, and since when."""

    append: Append
    outcome: "asyncio.Future[Outcome]"
    span: trace.Span = field(default_factory=trace.get_current_span)
    since: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch was like, for whoever measures.

    Args:
        outcomes: one for each append.
        waited_seconds: how long its first append had waited for it.
        commit_seconds: how long it took to store.
        span: of an append in it whose trace is recorded, if there is one.
    """

    outcomes: Sequence[Outcome | Exception]
    waited_seconds: float
    commit_seconds: float
    span: trace.Span | None


class Batcher:
    """Commits appends in batches, without a timer.

    A batch is taken when the event loop brings no more appends for the moment, or when enough are there.

    A batch holds at most one command per aggregate and per request id: two would pass the same head check and then
    fail together on a constraint. The others wait for a later batch. A second lane opens while a whole batch waits:
    it is made ready and sent while the first is in the database, where the shard's lock lets them pass one by one.
    With fewer waiting, a second lane would only make the batches smaller.

    Args:
        lanes: each stores a batch and answers an outcome, or an exception, for each of its appends, in order.
        max_waiting: appends that may wait; beyond it they are refused at once.
        on_stored: told of each batch, stored or failed.
    """

    def __init__(
        self,
        lanes: Sequence[Commit],
        *,
        max_waiting: int,
        on_stored: Callable[[Batch], None] = lambda _batch: None,
    ) -> None:
        self._idle = list(lanes)
        self._lanes = len(self._idle)
        self._max_waiting = max_waiting
        self._on_stored = on_stored
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many appends wait for a batch."""
        return len(self._waiting)

    async def append(self, append: Append) -> Outcome:
        """The append's outcome. A caller that is cancelled while it waits is left out; a commit is never cancelled.

        Raises:
            Overloaded: too many wait already.
            StoreUnavailable: the outcome stays unknown, or the store is away.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded("too many commands are waiting", retry_after=_RETRY_AFTER)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(append, outcome))
        if self._idle and self._wants_a_lane(beside=self._lanes - len(self._idle)):
            running = asyncio.create_task(self._work(self._idle.pop()))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return await outcome

    async def drain(self) -> None:
        """Returns when nothing waits and no commit runs."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def _work(self, commit: Commit) -> None:
        try:
            while self._wants_a_lane(beside=self._lanes - len(self._idle) - 1):
                await arrived(self._waiting.__len__, enough=_GATHERED)
                if not (batch := self._take()):
                    return
                self._on_stored(await _settle(batch, commit))
        finally:
            self._idle.append(commit)

    def _wants_a_lane(self, *, beside: int) -> bool:
        """Whether there is work for a lane beside those that are running."""
        return beside == 0 or len(self._waiting) >= MAX_BATCH_COMMANDS

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        taken: set[object] = set()
        size = 0
        while self._waiting and len(batch) < MAX_BATCH_COMMANDS and size < MAX_BATCH_BYTES:
            each = self._waiting.popleft()
            if each.outcome.cancelled():
                continue
            marks = _marks(each.append)
            if taken.isdisjoint(marks):
                taken.update(marks)
                batch.append(each)
                size += sum(len(event.event_data) for event in each.append.events)
            else:
                later.append(each)
        self._waiting.extendleft(reversed(later))
        return batch


async def _settle(batch: Sequence[_Waiting], commit: Commit) -> Batch:
    begin = time.perf_counter()
    recorded = [each for each in batch if each.span.is_recording()]
    for each in recorded:
        each.span.set_attribute("orderflow.append.batch_size", len(batch))
        each.span.set_attribute("orderflow.append.wait_seconds", begin - each.since)
    outcomes: Sequence[Outcome | Exception]
    try:
        outcomes = await commit([each.append for each in batch])
    except Exception as error:  # noqa: BLE001 -- each caller gets it
        outcomes = [error] * len(batch)
    for each, outcome in zip(batch, outcomes, strict=True):
        if each.outcome.done():
            continue
        if isinstance(outcome, Exception):
            each.outcome.set_exception(outcome)
        else:
            each.outcome.set_result(outcome)
    waited = begin - min(each.since for each in batch)
    return Batch(outcomes, waited, time.perf_counter() - begin, recorded[0].span if recorded else None)


def _marks(append: Append) -> set[object]:
    """What no other append of the same batch may share."""
    if append.request is None:
        return {append.aggregate_id}
    return {append.aggregate_id, (append.request.principal, append.request.request_id)}
