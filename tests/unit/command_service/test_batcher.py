"""Batches of appends: one at a time, never two commands that would fail each other, nobody left waiting."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import pytest

from command_service.errors import Overloaded
from command_service.event_store.batcher import Batcher
from command_service.event_store.port import Append, Appended, NewEvent, Outcome, RequestKey


class Commits:
    """Keeps the batches it is given, each until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.answer: Callable[[Append], Outcome | Exception] = lambda _append: Appended()
        self._gates: list[asyncio.Event] = []
        self._open = False

    async def __call__(self, batch: Sequence[Append]) -> Sequence[Outcome | Exception]:
        """Commits when let go."""
        self.batches.append([each.expected_version for each in batch])
        gate = asyncio.Event()
        self._gates.append(gate)
        self.begun.set()
        if not self._open:
            await gate.wait()
        return [self.answer(each) for each in batch]

    def let_go(self) -> None:
        """Lets the present batch and all later ones commit."""
        self._open = True
        for gate in self._gates:
            gate.set()


def append(number: int, *, aggregate: int | None = None, request_id: str = "", size: int = 1) -> Append:
    """An append that is known by its expected version."""
    key = RequestKey("anonymous", request_id, b"", "") if request_id else None
    aggregate_id = UUID(int=number if aggregate is None else aggregate)
    return Append("order", aggregate_id, number, [NewEvent("Event", b"x" * size)], b"", key, b"")


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest.fixture
def batcher(commits: Commits) -> Batcher:
    return Batcher([commits], max_waiting=600)


async def appending(batcher: Batcher, *appends: Append) -> list["asyncio.Task[Outcome]"]:
    """The appends, each begun in this order."""
    tasks = [asyncio.create_task(batcher.append(each)) for each in appends]
    await asyncio.sleep(0)
    return tasks


async def batches_of(batcher: Batcher, commits: Commits, *appends: Append) -> list[list[int]]:
    """How appends that arrive while a commit runs are cut into batches."""
    first = await appending(batcher, append(0))
    await commits.begun.wait()
    rest = await appending(batcher, *appends)
    commits.let_go()
    assert await asyncio.gather(*first, *rest) == [Appended()] * (1 + len(appends))
    assert commits.batches[0] == [0]
    return commits.batches[1:]


async def test_a_lone_append_is_committed_at_once(batcher: Batcher, commits: Commits) -> None:
    commits.let_go()
    assert await batcher.append(append(1)) == Appended()
    assert commits.batches == [[1]]


async def test_what_arrives_while_a_commit_runs_is_the_next_batch(batcher: Batcher, commits: Commits) -> None:
    assert await batches_of(batcher, commits, append(1), append(2), append(3)) == [[1, 2, 3]]


async def test_appends_that_arrive_a_few_passes_of_the_loop_apart_share_a_batch(
    batcher: Batcher, commits: Commits
) -> None:
    commits.let_go()
    begun = []
    for number in range(1, 6):
        begun += await appending(batcher, append(number))
        for _ in range(5):
            await asyncio.sleep(0)
    await asyncio.gather(*begun)
    assert commits.batches == [[1, 2, 3, 4, 5]]


async def test_appends_that_never_cease_hold_no_batch_back(batcher: Batcher, commits: Commits) -> None:
    commits.let_go()
    begun = []
    for number in range(1, 101):
        begun += await appending(batcher, append(number))
    await asyncio.gather(*begun)
    assert len(commits.batches[0]) < 40
    assert [number for each in commits.batches for number in each] == [*range(1, 101)]


async def test_two_commands_of_an_aggregate_are_in_two_batches_in_their_order(
    batcher: Batcher, commits: Commits
) -> None:
    made = await batches_of(
        batcher, commits, append(1, aggregate=7), append(2, aggregate=7), append(3), append(4, aggregate=7)
    )
    assert made == [[1, 3], [2], [4]]


async def test_a_request_id_is_twice_in_no_batch(batcher: Batcher, commits: Commits) -> None:
    made = await batches_of(
        batcher, commits, append(1, request_id="r"), append(2, request_id="r"), append(3, request_id="s")
    )
    assert made == [[1, 3], [2]]


async def test_a_batch_is_bounded_in_commands(batcher: Batcher, commits: Commits) -> None:
    made = await batches_of(batcher, commits, *[append(number) for number in range(1, 301)])
    assert [len(each) for each in made] == [128, 128, 44]
    assert [number for each in made for number in each] == [*range(1, 301)]


async def test_a_second_lane_opens_only_while_a_whole_batch_waits(commits: Commits) -> None:
    second = Commits()
    batcher = Batcher([second, commits], max_waiting=600)
    begun = await appending(batcher, append(0))
    await commits.begun.wait()
    begun += await appending(batcher, *[append(number) for number in range(1, 128)])
    assert not second.batches
    begun += await appending(batcher, append(128), append(129))
    await second.begun.wait()
    assert second.batches == [[*range(1, 129)]]
    second.let_go()
    await asyncio.gather(*begun[1:129])
    assert len(second.batches) == 1, "what is left can wait for the first lane"
    commits.let_go()
    await asyncio.gather(*begun)
    assert commits.batches == [[0], [129]]


async def test_lanes_that_end_together_leave_nobody_waiting(commits: Commits) -> None:
    second = Commits()
    batcher = Batcher([second, commits], max_waiting=600)
    begun = await appending(batcher, append(0))
    await commits.begun.wait()
    begun += await appending(batcher, *[append(number) for number in range(1, 200)])
    await second.begun.wait()
    commits.let_go()
    second.let_go()
    assert set(await asyncio.gather(*begun)) == {Appended()}
    await batcher.drain()


async def test_a_batch_is_bounded_in_bytes(batcher: Batcher, commits: Commits) -> None:
    made = await batches_of(batcher, commits, *[append(number, size=900_000) for number in range(1, 8)])
    assert made == [[1, 2, 3, 4, 5], [6, 7]]


async def test_a_failed_commit_fails_each_of_its_appends_and_none_after(commits: Commits) -> None:
    async def fails(batch: Sequence[Append]) -> Sequence[Outcome | Exception]:
        commits.batches.append([each.expected_version for each in batch])
        if len(commits.batches) == 1:
            raise OSError("no")
        return [Appended() for _ in batch]

    failing = Batcher([fails], max_waiting=10)
    with pytest.raises(OSError, match="no"):
        await failing.append(append(1))
    assert await failing.append(append(2)) == Appended()


async def test_an_append_that_fails_alone_fails_alone(batcher: Batcher, commits: Commits) -> None:
    commits.answer = lambda each: ValueError("not storable") if each.expected_version == 2 else Appended()
    first = await appending(batcher, append(0))
    await commits.begun.wait()
    good, bad = await appending(batcher, append(1), append(2))
    commits.let_go()
    assert await good == Appended()
    with pytest.raises(ValueError, match="not storable"):
        await bad
    await asyncio.gather(*first)


async def test_a_caller_who_is_cancelled_while_waiting_is_left_out(batcher: Batcher, commits: Commits) -> None:
    [first] = await appending(batcher, append(0))
    await commits.begun.wait()
    gone, stays = await appending(batcher, append(1), append(2))
    gone.cancel()
    await asyncio.wait({gone})
    commits.let_go()
    assert await first == await stays == Appended()
    assert commits.batches == [[0], [2]]


async def test_a_caller_who_is_cancelled_while_its_commit_runs_cancels_no_commit(
    batcher: Batcher, commits: Commits
) -> None:
    [gone] = await appending(batcher, append(0))
    await commits.begun.wait()
    gone.cancel()
    [next_one] = await appending(batcher, append(1))
    commits.let_go()
    assert await next_one == Appended()
    assert gone.cancelled()
    assert commits.batches == [[0], [1]]


async def test_everybody_gone_leaves_nothing_running(batcher: Batcher, commits: Commits) -> None:
    [first] = await appending(batcher, append(0))
    await commits.begun.wait()
    waiting = await appending(batcher, append(1), append(2))
    for each in waiting:
        each.cancel()
    commits.let_go()
    await asyncio.wait_for(batcher.drain(), 1)
    assert await first == Appended()
    assert commits.batches == [[0]]
    for each in waiting:
        with suppress(asyncio.CancelledError):
            await each


async def test_more_than_may_wait_are_refused_at_once_with_a_delay(commits: Commits) -> None:
    batcher = Batcher([commits], max_waiting=2)
    begun = await appending(batcher, append(0))
    await commits.begun.wait()
    begun += await appending(batcher, append(1), append(2))
    with pytest.raises(Overloaded) as refusal:
        await batcher.append(append(3))
    assert refusal.value.retry_after is not None
    commits.let_go()
    assert await asyncio.gather(*begun) == [Appended()] * 3
    assert await batcher.append(append(4)) == Appended()


async def test_a_drained_batcher_has_committed_all_that_waited(batcher: Batcher, commits: Commits) -> None:
    begun = await appending(batcher, append(0), append(1, aggregate=9), append(2, aggregate=9))
    commits.let_go()
    await asyncio.wait_for(batcher.drain(), 1)
    assert all(each.done() for each in begun)
