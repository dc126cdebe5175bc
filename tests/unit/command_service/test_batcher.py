"""How concurrent appends become batches."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from command_service.errors import Overloaded
from command_service.event_store.batcher import MAX_BATCH_BYTES, MAX_BATCH_COMMANDS, Batcher
from command_service.event_store.port import Append, Appended, NewEvent, Outcome, RequestKey


class Commits:
    """A commit that holds each batch until it is released."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Append]] = []
        self.fails: Exception | None = None
        self._begun = asyncio.Event()
        self._released = asyncio.Semaphore(0)

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome | Exception]:
        """Keeps the batch, waits for `release`, and accepts all of it."""
        self.batches.append(batch)
        self._begun.set()
        await self._released.acquire()
        if self.fails is not None:
            raise self.fails
        return [Appended() for _ in batch]

    async def begun(self) -> None:
        """Returns when a commit has begun since the last call."""
        await self._begun.wait()
        self._begun.clear()

    def release(self, count: int = 1) -> None:
        """Lets so many commits end."""
        for _ in range(count):
            self._released.release()


def an_append(aggregate_id: UUID | None = None, request_id: str = "", size: int = 10) -> Append:
    key = RequestKey("anonymous", request_id, b"", "") if request_id else None
    return Append("order", aggregate_id or uuid4(), 0, [NewEvent("type", b"x" * size)], b"", key, b"")


def start(batcher: Batcher, *appends: Append) -> list["asyncio.Task[Outcome]"]:
    return [asyncio.create_task(batcher.append(append)) for append in appends]


async def test_what_arrives_while_a_commit_runs_forms_the_next_batch() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=100)
    first = start(batcher, an_append())
    await commits.begun()
    others = start(batcher, *(an_append() for _ in range(5)))
    commits.release(2)
    assert await asyncio.gather(*first, *others) == [Appended()] * 6
    assert [len(batch) for batch in commits.batches] == [1, 5]


async def test_a_batch_has_one_command_of_an_aggregate_and_the_next_comes_after_it() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=100)
    busy = start(batcher, an_append())
    await commits.begun()
    same, other = uuid4(), an_append()
    one, two = an_append(same), an_append(same)
    waiting = start(batcher, one, two, other)
    commits.release(3)
    await asyncio.gather(*busy, *waiting)
    assert [list(batch) for batch in commits.batches[1:]] == [[one, other], [two]]


async def test_a_batch_has_one_command_of_a_request_id() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=100)
    busy = start(batcher, an_append())
    await commits.begun()
    waiting = start(batcher, an_append(request_id="r"), an_append(request_id="r"))
    commits.release(3)
    await asyncio.gather(*busy, *waiting)
    assert [len(batch) for batch in commits.batches] == [1, 1, 1]


async def test_batches_are_bounded_in_commands_and_bytes() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=1000)
    busy = start(batcher, an_append())
    await commits.begun()
    many = start(batcher, *(an_append() for _ in range(MAX_BATCH_COMMANDS + 1)))
    large = start(batcher, *(an_append(size=MAX_BATCH_BYTES // 2) for _ in range(3)))
    commits.release(4)
    await asyncio.gather(*busy, *many, *large)
    assert [len(batch) for batch in commits.batches] == [1, MAX_BATCH_COMMANDS, 3, 1]


async def test_too_many_waiting_are_refused_at_once_and_the_others_go_on() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=2)
    busy = start(batcher, an_append())
    await commits.begun()
    waiting = start(batcher, an_append(), an_append())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await batcher.append(an_append())
    assert refused.value.retry_after is not None
    commits.release(2)
    assert await asyncio.gather(*busy, *waiting) == [Appended()] * 3


async def test_a_caller_that_is_cancelled_does_not_cancel_the_commit() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=10)
    [caller] = start(batcher, an_append())
    await commits.begun()
    caller.cancel()
    drained = asyncio.create_task(batcher.drain())
    await asyncio.wait({caller})
    assert not drained.done()
    commits.release()
    await drained


async def test_a_caller_that_is_cancelled_while_it_waits_is_left_out() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=10)
    busy = start(batcher, an_append())
    await commits.begun()
    gone, stays = start(batcher, an_append(), an_append())
    await asyncio.sleep(0)
    gone.cancel()
    commits.release(2)
    await asyncio.gather(*busy, stays)
    assert [len(batch) for batch in commits.batches] == [1, 1]


async def test_a_commit_that_fails_fails_its_batch_alone() -> None:
    commits = Commits()
    batcher = Batcher(commits.commit, max_waiting=10)
    commits.fails = RuntimeError("broken")
    [failing] = start(batcher, an_append())
    await commits.begun()
    commits.release()
    with pytest.raises(RuntimeError, match="broken"):
        await failing
    commits.fails = None
    [following] = start(batcher, an_append())
    await commits.begun()
    commits.release()
    assert await following == Appended()
