"""Feeds every generation whose mapping this program writes, and clears away what nobody works on or reads any more.

Each generation has a consumer group of its own, and every projector that knows its mapping is in it: the live one,
those kept for a rollback, and one that a rebuild has filled are fed by the same code, independent of each other.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from projector.errors import Outage
from projector.generations import Generation, Generations, Stage, kept
from projector.patience import Patience

_LOOK_SECONDS = 1.0
_log = structlog.get_logger("projector")

Feed = Callable[[Generation, Callable[[], bool], asyncio.Event], Coroutine[Any, Any, None]]


class Feeds:
    """Looks about once a second which generations there are, and acts upon it.

    Args:
        name: of the projection.
        feed: feeds a generation until its event is set; it is told whether readers saw the generation when that was
            last looked at.
        kept: how many generations stay for a rollback.
        lease_seconds: who works on a generation and is silent for so long is taken for dead.
    """

    def __init__(self, name: str, generations: Generations, feed: Feed, *, kept: int, lease_seconds: float) -> None:
        self._name = name
        self._generations = generations
        self._feed = feed
        self._kept = kept
        self._lease_seconds = lease_seconds
        self._fed: dict[str, asyncio.Event] = {}
        self._beats: dict[str, tuple[str, float]] = {}
        self._live = ""
        self._refused = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Feeds until `stop` is set; then each feed finishes what it has in hand.

        Raises:
            WrongIndex: the alias names several indices.
            Exception: whatever a feed raises.
        """
        patience = Patience(stop)
        async with asyncio.TaskGroup() as group:
            with suppress(Outage):
                while not stop.is_set():
                    generations = await patience.until_done(self._look)
                    self._follow(generations, group)
                    await patience.until_done(partial(self._clear_away, generations))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
            for each in self._fed.values():
                each.set()

    async def _look(self) -> Sequence[Generation]:
        generations = await self._generations.all()
        if not generations:
            await self._generations.create_first()
            generations = await self._generations.all()
        return generations

    def _follow(self, generations: Sequence[Generation], group: asyncio.TaskGroup) -> None:
        """Begins to feed what is new, and ends for what is gone."""
        written = {each.writers: each for each in generations if self._is_written(each)}
        for writers in self._fed.keys() - written.keys():
            self._fed.pop(writers).set()
        for writers in written.keys() - self._fed.keys():
            _log.info("feeding", index=written[writers].index)
            self._fed[writers] = asyncio.Event()
            is_live = partial(self._is_live, writers)
            group.create_task(self._feed(written[writers], is_live, self._fed[writers]))
        self._live = next((each.writers for each in generations if each.live), "")

    def _is_live(self, writers: str) -> bool:
        return writers == self._live

    def _is_written(self, generation: Generation) -> bool:
        if generation.mapping_hash == self._generations.mapping_hash:
            return generation.filled
        if generation.live and self._refused != generation.index:
            self._refused = generation.index
            _log.error(
                f"{generation.index} has another mapping than this version writes and is not fed by it; "
                f"run: ordersctl projection rebuild {self._name}"
            )
        return False

    async def _clear_away(self, generations: Sequence[Generation]) -> None:
        at_work = [each for each in generations if each.stage is not Stage.COMPLETE]
        for each in at_work:
            if self._is_abandoned(each):
                await self._settle(each)
        if at_work or not self._live:
            return
        stay = kept(generations, self._kept)
        for each in generations:
            if not each.live and each not in stay and not await self._generations.is_read(each):
                _log.info("older generation deleted", index=each.index)
                await self._generations.delete(each)

    def _is_abandoned(self, generation: Generation) -> bool:
        """Whether nothing about it has changed for the lease, as seen here: no two clocks are compared."""
        now = time.monotonic()
        beat, since = self._beats.get(generation.writers, ("", now))
        if beat != generation.beat:
            since = now
        self._beats[generation.writers] = (generation.beat, since)
        return now - since > self._lease_seconds

    async def _settle(self, generation: Generation) -> None:
        _log.warning("nobody works on it any more", index=generation.index, then=generation.stage.value)
        await self._generations.settle(generation)
