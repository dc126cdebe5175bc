"""Points in time to read a list from, each showing what its caller must see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from orderflow.common.v1 import consistency_pb2
from query_service.consistency import Wanted, wait_until_visible
from query_service.deadline import Deadline
from query_service.errors import EventualConsistencyTimeout, ReadModelUnavailable
from query_service.index import KEEP_ALIVE_SECONDS, Index, PointInTime
from query_service.visibility import Visibility
from service_kit.consistency_token import TokenInvalid


@dataclass(slots=True)
class Shown:
    """A point in time in which everything wanted was seen.

    Args:
        freshness: as the caller is told.
        outlives: whether to leave it open after use, for a call that continues soon: once a token names it, since
            nobody knows which chunk was the last to arrive.
    """

    point: PointInTime
    freshness: consistency_pb2.ListFreshness
    outlives: bool = False


class PointsInTime:
    """Opens points in time, keeps them alive while their reader is slow, and closes them or leaves them open.

    Args:
        visibility: how to tell whether a point in time shows what is wanted.
        wait_seconds: longest wait for what must be seen.
        most_left_open: how many may stay open after use; the one left longest ago is closed for one more.
    """

    def __init__(self, index: Index, visibility: Visibility, *, wait_seconds: float, most_left_open: int) -> None:
        self._index = index
        self._visibility = visibility
        self._wait_seconds = wait_seconds
        self._most_left_open = most_left_open
        self._left_open: dict[str, PointInTime] = {}

    @asynccontextmanager
    async def showing(
        self, wanted: Wanted, earlier: PointInTime | None, deadline: Deadline, *, replaceable: bool
    ) -> AsyncIterator[Shown]:
        """The earlier point in time if it is still open and shows what is wanted, else a new one.

        Args:
            replaceable: whether a place in the list means something in another point in time, too.

        Raises:
            EventualConsistencyTimeout: what is wanted did not become visible in time.
            ReadModelUnavailable: Elasticsearch is away.
            TokenInvalid: the earlier one cannot serve, and no other could.
        """
        shown = await self._resumed(wanted, earlier, deadline)
        if shown is None and earlier is not None and not replaceable:
            await self._index.close(await self._index.open(deadline))  # an index that is away says so here
            raise TokenInvalid.of(
                "resume_token", "its search by relevance is gone, or older than what must be visible: start it anew"
            )
        shown = shown or await self._opened(wanted, deadline)
        living = asyncio.create_task(self._keep_alive(shown.point))
        try:
            yield shown
        finally:
            living.cancel()
            await self._leave(shown)

    async def _leave(self, shown: Shown) -> None:
        leaving = shown.point
        if shown.outlives:
            self._left_open[leaving.id] = leaving
            if len(self._left_open) <= self._most_left_open:
                return
            leaving = self._left_open.pop(next(iter(self._left_open)))
        await self._index.close(leaving)

    async def _resumed(self, wanted: Wanted, point: PointInTime | None, deadline: Deadline) -> Shown | None:
        if point is None:
            return None
        name = point.id
        try:
            if not await self._index.is_open(point, deadline):
                return None
            await self._check(point, wanted, deadline)
        except (EventualConsistencyTimeout, ReadModelUnavailable):
            return None  # it will never show it; or the server that held it is gone
        self._left_open.pop(name, None)
        return Shown(point, _freshness(point, wanted, timedelta(0)), outlives=True)

    async def _opened(self, wanted: Wanted, deadline: Deadline) -> Shown:
        first = True

        async def attempt() -> PointInTime:
            nonlocal first
            if not first:
                # Somebody waits: showing what is written is worth more than the second that a refresh would save.
                await self._index.refresh(deadline)
            first = False
            point = await self._index.open(deadline)
            try:
                await self._check(point, wanted, deadline)
            except BaseException:
                await self._index.close(point)
                raise
            return point

        point, waited = await wait_until_visible(attempt, self._wait_seconds, deadline)
        return Shown(point, _freshness(point, wanted, waited))

    async def _check(self, point: PointInTime, wanted: Wanted, deadline: Deadline) -> None:
        """Returns if the point in time itself holds all that is wanted, whether or not the caller's filter admits it.

        Raises:
            EventualConsistencyTimeout: naming the first that is not there.
        """
        if request := self._visibility.request(wanted):
            self._visibility.check(wanted, await self._index.search(point, request, deadline))

    async def _keep_alive(self, point: PointInTime) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS / 3)
            try:
                await self._index.is_open(point, Deadline(None))
            except ReadModelUnavailable:
                continue  # the next search says so, unless it is back by then


def _freshness(point: PointInTime, wanted: Wanted, waited: timedelta) -> consistency_pb2.ListFreshness:
    freshness = consistency_pb2.ListFreshness(tokens_seen=wanted.token_count)
    freshness.as_of_time.FromDatetime(point.open_time)
    freshness.wait_duration.FromTimedelta(waited)
    return freshness
