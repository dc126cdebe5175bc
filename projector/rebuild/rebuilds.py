"""What operators ask of a projection's generations: rebuild it, tell how far that is, roll back."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from orderflow.admin.v1 import rebuild_pb2 as pb
from projector.errors import (
    GenerationBehind,
    GenerationLost,
    GenerationNotFound,
    Outage,
    ReadModelUnavailable,
    RebuildRunning,
)
from projector.generations import Generation, Generations, Stage, kept
from projector.groups import Groups
from projector.rebuild.claim import Claim
from projector.rebuild.progress import RebuildProgress
from projector.rebuild.rebuild import Rebuild
from projector.rebuild.switch import Switch

MakeRebuild = Callable[[Generation, RebuildProgress, bool], Rebuild]


class Rebuilds:
    """The rebuilds and rollbacks of one projection; each method but `stop` raises ServiceErrors.

    Args:
        make: makes a rebuild of a new generation; the flag says whether to ignore differences.
        kept: how many generations stay for a rollback.
    """

    def __init__(
        self,
        projection: str,
        generations: Generations,
        groups: Groups,
        switch: Switch,
        make: MakeRebuild,
        *,
        kept: int,
    ) -> None:
        self._projection = projection
        self._generations = generations
        self._groups = groups
        self._switch = switch
        self._make = make
        self._kept = kept
        self._rebuild: Rebuild | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, *, ignore_differences: bool) -> pb.Rebuild:
        """Begins a rebuild in this process."""
        with _as_unavailable():
            generations = await self._free()
            progress = RebuildProgress(self._projection, generations[-1].number + 1)
            generation = await self._generations.create_next(_live(generations), progress.message())
        self._rebuild = self._make(generation, progress, ignore_differences)
        self._running = asyncio.create_task(self._rebuild.run())
        return self._rebuild.message

    async def get(self, generation: int) -> pb.Rebuild:
        """How far a rebuild is, whichever process runs or ran it; of generation 0, the one begun last."""
        with _as_unavailable():
            generations = await self._generations.all()
        known = [each.rebuild for each in generations if each.rebuild is not None]
        if self._rebuild is not None:
            ours = self._rebuild.message
            known = [each for each in known if each.start_time != ours.start_time] + [ours]
        asked = [each for each in known if generation in (0, each.generation)]
        if asked:
            return max(asked, key=lambda each: each.start_time.ToNanoseconds())
        if generations and generation == generations[-1].number + 1:
            failure = "there is no such generation any more: the projector that made it ended before it was complete"
            failed = pb.REBUILD_PHASE_FAILED
            return pb.Rebuild(projection=self._projection, generation=generation, phase=failed, failure=failure)
        which = f" by {generation}" if generation else ""
        raise GenerationNotFound(f"no rebuild of {self._projection} is known{which}")

    async def roll_back(self, number: int) -> tuple[int, int]:
        """Has readers see a kept generation; answers its number and that of the one it replaces."""
        with _as_unavailable():
            generations = await self._free()
            live = _live(generations)
            if number == live.number:
                return number, int(live.replaced.rpartition("-")[2] or 0)
            target = next((each for each in kept(generations, self._kept) if number in (0, each.number)), None)
            if target is None:
                raise GenerationNotFound(f"{self._projection} has no generation to return to")
            if not await self._switch.reaches(target, await self._groups.committed(live)):
                raise _behind(target)
            claim = Claim(self._generations, target)
            await claim.save(stage=Stage.SWITCHING, replaced=live.index)
            try:
                moved = await claim.during(self._switch.to(target, live))
            finally:
                await asyncio.shield(claim.save(stage=Stage.COMPLETE))
        if not moved:
            raise _behind(target)
        return target.number, live.number

    async def stop(self) -> None:
        """Gives up a rebuild that runs here."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _free(self) -> Sequence[Generation]:
        """The generations, on none of which somebody is at work."""
        generations = await self._generations.all()
        if any(each.stage is not Stage.COMPLETE for each in generations):
            raise RebuildRunning.of(self._projection)
        return generations


def _live(generations: Sequence[Generation]) -> Generation:
    for each in generations:
        if each.live:
            return each
    raise ReadModelUnavailable("no generation is live")


def _behind(generation: Generation) -> GenerationBehind:
    message = f"{generation.index} is behind the live generation; does a projector that writes its mapping run?"
    return GenerationBehind(message, subject=f"generation/{generation.number}")


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except (Outage, GenerationLost) as error:
        raise ReadModelUnavailable(f"the generations cannot be reached now: {error}") from error
