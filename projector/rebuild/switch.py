"""Moves readers from one generation to another without showing them anything older than they have seen."""

import asyncio
import time

import structlog

from projector.errors import GenerationLost
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.offsets import Offsets
from projector.patience import Patience

_POLL_SECONDS = 0.05
_TRIES = 3
_log = structlog.get_logger("projector")


class Switch:
    """Lets no one write to the live generation until the other has everything that it has, and then moves readers.

    Args:
        patience_seconds: how long the live generation may wait for the other, each time that it is tried.
    """

    def __init__(
        self, generations: Generations, groups: Groups, patience: Patience, *, patience_seconds: float = 5.0
    ) -> None:
        self._generations = generations
        self._groups = groups
        self._patience = patience
        self._patience_seconds = patience_seconds

    async def to(self, target: Generation, live: Generation) -> bool:
        """Moves readers; False when the target has not come as far in time, and nothing has changed.

        Raises:
            GenerationLost: the target was deleted, or the live one is not live.
            Outage: the process is to stop.
        """
        for _ in range(_TRIES):
            if await self._try(target, live):
                return True
        return False

    async def _try(self, target: Generation, live: Generation) -> bool:
        try:
            await self._patience.until_done(lambda: self._generations.block(live))
            if not await self.reaches(target, await self._patience.until_done(self._groups.ends)):
                return False
            await self._patience.until_done(lambda: self._generations.refresh(target))
            await self._patience.until_done(lambda: self._show(target, live))
            return True
        finally:
            await asyncio.shield(self._patience.until_done(lambda: self._generations.unblock(live.index)))

    async def reaches(self, target: Generation, goal: Offsets) -> bool:
        """Whether the target passes these offsets in time.

        Raises:
            Outage: the process is to stop.
        """
        deadline = time.monotonic() + self._patience_seconds
        while not await self._patience.until_done(lambda: self._groups.has_passed(target, goal)):
            if time.monotonic() > deadline:
                _log.warning("not as far as the live generation", index=target.index)
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def _show(self, target: Generation, live: Generation) -> None:
        """As a call that may have taken effect although its answer was lost."""
        try:
            await self._generations.show(target, instead_of=live)
        except GenerationLost:
            if not await self._generations.is_live(target):
                raise
