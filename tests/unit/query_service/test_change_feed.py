"""The feed of changes outlives whatever the index answers, and keeps no more than it may."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from query_service.change_feed import ChangeFeed
from query_service.changed_orders import ChangedOrder, ChangedOrders, Head
from query_service.errors import ReadModelUnavailable
from tests.support.eventually import eventually


class FakeIndex:
    """An index of which a test says what it answers."""

    def __init__(self) -> None:
        self.position = 0
        self.error: Exception | None = None
        self.view_bytes = 0

    async def head(self) -> Head:
        """Where it is, or what went wrong."""
        if self.error:
            raise self.error
        return Head("orders", "orders/1", self.position)

    async def refresh(self, index: str) -> None:
        """Does nothing."""

    async def between(self, _index: str, _after: int, to: int, _: object) -> AsyncIterator[Sequence[ChangedOrder]]:
        """One order."""
        yield [ChangedOrder(to, {"customer_id": "c-1"}, bytes(self.view_bytes))]


def _feed(index: FakeIndex, *, most_kept: int = 100) -> ChangeFeed:
    return ChangeFeed(cast("ChangedOrders", index), poll_seconds=0.001, most_watchers=9, most_kept=most_kept)


async def _move(feed: ChangeFeed, index: FakeIndex, view_bytes: int) -> None:
    before, index.view_bytes = index.position, view_bytes
    index.position += 1
    async with asyncio.timeout(30):
        while (await feed.head()).position == before:
            await feed.news_after("orders/1", before, 30)


@pytest.mark.parametrize("error", [KeyError("seq_no"), ReadModelUnavailable("away")], ids=["unforeseen", "away"])
def test_an_answer_that_nobody_foresaw_fails_who_watches_and_the_feed_goes_on(error: Exception) -> None:
    async def watch() -> None:
        index = FakeIndex()
        index.error = error
        feed = _feed(index)
        async with asyncio.timeout(30), feed.watched():
            with pytest.raises(ReadModelUnavailable):
                await feed.head()
            index.error = None
            await eventually(lambda: _is_well(feed))
            await _move(feed, index, 1)

    asyncio.run(watch())


async def _is_well(feed: ChangeFeed) -> bool:
    try:
        await feed.head()
    except ReadModelUnavailable:
        return False
    return True


@pytest.mark.parametrize(("view_bytes", "kept"), [(1000, 4), (40 * 1024, 2), (98 * 1024, 1), (101 * 1024, 0)])
def test_changes_are_kept_by_their_size(view_bytes: int, kept: int) -> None:
    async def watch() -> None:
        index = FakeIndex()
        feed = _feed(index)
        async with feed.watched():
            await feed.head()
            for _ in range(4):
                await _move(feed, index, view_bytes)
            assert [bool(feed.next("orders/1", after)) for after in range(4)] == [
                after >= 4 - kept for after in range(4)
            ]

    asyncio.run(watch())
