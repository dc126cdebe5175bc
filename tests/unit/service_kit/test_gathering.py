"""Look-ups that share round trips."""

import asyncio
from collections.abc import Sequence

import pytest

from service_kit.gathering import Gathering


class _Store:
    """Answers each key with how many round trips there were; holds round trips while it is closed."""

    def __init__(self) -> None:
        self.rounds: list[Sequence[str]] = []
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()
        self.opened.set()

    async def look_up(self, keys: Sequence[str]) -> Sequence[str]:
        self.rounds.append(keys)
        self.begun.set()
        number = len(self.rounds)
        await self.opened.wait()
        if "broken" in keys:
            raise ValueError("broken")
        return [f"{key} {number}" for key in keys]


async def test_all_who_ask_at_once_share_a_round_trip() -> None:
    store = _Store()
    gathering = Gathering(store.look_up, most_keys=10)
    answers = await asyncio.gather(*(gathering.get(key) for key in "abab"))
    assert answers == ["a 1", "b 1", "a 1", "b 1"]
    assert store.rounds == [["a", "b"]]


async def test_who_asks_while_a_round_trip_is_under_way_is_answered_by_the_next() -> None:
    store = _Store()
    gathering = Gathering(store.look_up, most_keys=10)
    store.opened.clear()
    first = asyncio.create_task(gathering.get("a"))
    await store.begun.wait()
    later = [asyncio.create_task(gathering.get(key)) for key in "ab"]
    await asyncio.sleep(0)
    store.opened.set()
    assert [await first, *(await asyncio.gather(*later))] == ["a 1", "a 2", "b 2"]


async def test_no_round_trip_looks_up_more_than_it_may() -> None:
    store = _Store()
    gathering = Gathering(store.look_up, most_keys=2)
    await asyncio.gather(*(gathering.get(key) for key in "abcde"))
    assert store.rounds == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_failure_is_everybodys_of_its_round_trip_and_nobody_elses() -> None:
    store = _Store()
    gathering = Gathering(store.look_up, most_keys=2)
    answers = await asyncio.gather(*(gathering.get(key) for key in ("a", "broken", "b")), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError, str]
    assert await gathering.get("c") == "c 3"


async def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    store = _Store()
    gathering = Gathering(store.look_up, most_keys=10)
    store.opened.clear()
    first, second = (asyncio.create_task(gathering.get("a")) for _ in range(2))
    await store.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    store.opened.set()
    assert await second == "a 1"
