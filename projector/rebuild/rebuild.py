"""Makes a read model's next generation and has readers move to it, while the live one goes on.

The order makes it complete:

1. The topics' ends are noted, as the offsets that the new generation's consumer group begins at; then the log's
   heads are read. Whatever was published before those offsets lies in the log before those heads.
2. The log is folded up to the heads.
3. From then on every projector that writes this mapping feeds the generation, from the noted offsets on; what it
   has already is a repeat. Once it has passed what the live one has committed,
4. it is compared, and
5. the live one takes no writes until the new one has passed the topics' ends; then readers are moved at once.

The generation is the lock as well: there is one with the next number or there is none, and it says by its beat
whether somebody works on it. Who lost it, because others took this process for dead, finds its alias gone.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode

from orderflow.admin.v1 import rebuild_pb2 as pb
from projector.errors import Differs, Outage
from projector.generations import Generation, Generations, Stage
from projector.groups import Groups
from projector.offsets import Offsets
from projector.patience import Patience
from projector.quarantine import Quarantine
from projector.rebuild.claim import Claim
from projector.rebuild.comparison import Comparison
from projector.rebuild.fill import Fill
from projector.rebuild.log_reader import Heads, LogReader
from projector.rebuild.progress import Measure, RebuildProgress
from projector.rebuild.switch import Switch
from projector.tracing import silent

_POLL_SECONDS = 0.2
_log = structlog.get_logger("projector")
_tracer = trace.get_tracer("projector")


@dataclass(frozen=True, slots=True)
class Tools:
    """What a rebuild works with.

    Args:
        fill: makes a Fill for a generation.
        comparison: makes a Comparison of a generation over what was created before a time in microseconds since
            1970.
        quarantine: makes a generation's Quarantine.
    """

    generations: Generations
    groups: Groups
    log: LogReader
    fill: Callable[[Generation], Fill[Any]]
    comparison: Callable[[Generation, int], Comparison[Any]]
    quarantine: Callable[[Generation], Quarantine]
    switch: Switch
    patience: Patience
    aggregate_type: str


class Rebuild:
    """One rebuild, from the generation just made to its end.

    Args:
        ignore_differences: those from the live generation.
    """

    def __init__(
        self, tools: Tools, generation: Generation, progress: RebuildProgress, *, ignore_differences: bool
    ) -> None:
        self._tools = tools
        self._progress = progress
        self._ignore_differences = ignore_differences
        self._claim = Claim(tools.generations, generation, progress.message)
        self._fill = tools.fill(generation)

    @property
    def message(self) -> pb.Rebuild:
        """How far it is."""
        return self._progress.message()

    async def run(self) -> None:
        """Rebuilds. Where that fails or is cancelled, nothing has changed for readers."""
        index = self._claim.generation.index
        about = {"orderflow.projection.name": self.message.projection, "db.collection.name": index}
        with _tracer.start_as_current_span("rebuild", Context(), attributes=about) as span:
            _log.info("rebuild begins", index=index)
            try:
                with silent():
                    await self._claim.during(self._phases())
            except asyncio.CancelledError:
                span.set_status(StatusCode.ERROR, "stopped")
                await self._fail("the projector that ran it was stopped")
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is ends the rebuild, not the projector
                failure = _first(error)
                span.set_status(StatusCode.ERROR, type(failure).__name__)
                await self._fail(f"{type(failure).__name__}: {failure}")
            else:
                _log.info("rebuild done", index=index, unfolded=len(self._fill.unfolded))

    async def _phases(self) -> None:
        tools = self._tools
        until_done = tools.patience.until_done
        await until_done(self._clear_quarantine)
        noted = await until_done(tools.groups.ends)
        await until_done(lambda: tools.groups.begin(self._claim.generation, noted))
        noted_us = time.time_ns() // 1000
        await self._fold_log(await until_done(tools.log.heads))
        live = await self._catch_up(noted)
        self._enter(pb.REBUILD_PHASE_COMPARING)
        comparison = tools.comparison(self._claim.generation, noted_us)
        await comparison.run(self._claim.generation, live, only_with_log=self._ignore_differences)
        self._enter(pb.REBUILD_PHASE_SWITCHING)
        await until_done(partial(self._claim.save, replaced=live.index))
        if not await tools.switch.to(self._claim.generation, live):
            raise Differs("it does not come as far as the live generation")
        result = self._progress.result(unfolded=len(self._fill.unfolded))
        await until_done(partial(self._claim.save, stage=Stage.COMPLETE, rebuild=result))
        self._progress.end(result)

    async def _clear_quarantine(self) -> None:
        quarantine = self._tools.quarantine(self._claim.generation)
        await quarantine.forget_all_but(await self._tools.generations.all())

    async def _fold_log(self, heads: Heads) -> None:
        shards = [self._tools.log.shard(shard, head, self._tools.aggregate_type) for shard, head in heads.items()]
        total = sum(heads.values())
        self._enter(pb.REBUILD_PHASE_FILLING, lambda: (min(total, sum(each.position for each in shards)), total))
        await self._fill.run(shards)
        await self._tools.patience.until_done(partial(self._tools.generations.searchable, self._claim.generation))
        await self._tools.patience.until_done(partial(self._claim.save, filled=True))

    async def _catch_up(self, noted: Offsets) -> Generation:
        """Answers the live generation once it is passed."""
        until_done, groups = self._tools.patience.until_done, self._tools.groups
        done = total = 0
        self._enter(pb.REBUILD_PHASE_CATCHING_UP, lambda: (done, total))
        while True:
            live = await until_done(self._tools.generations.live)
            goal = await until_done(partial(groups.committed, live))
            committed = await until_done(partial(groups.committed, self._claim.generation))
            total = sum(max(0, goal[each] - noted.get(each, 0)) for each in goal)
            done = min(total, sum(max(0, committed.get(each, 0) - noted.get(each, 0)) for each in goal))
            if all(committed.get(each, 0) >= offset for each, offset in goal.items()):
                return live
            await asyncio.sleep(_POLL_SECONDS)

    def _enter(self, phase: "pb.RebuildPhase.ValueType", measure: Measure = lambda: (0, 0)) -> None:
        trace.get_current_span().add_event(pb.RebuildPhase.Name(phase))
        self._progress.enter(phase, measure)

    async def _fail(self, why: str) -> None:
        _log.error("rebuild failed", index=self._claim.generation.index, cause=why)
        with suppress(Outage):  # then others settle it when its lease is over
            await self._claim.settle()
        self._progress.end(self._progress.result(failure=why, unfolded=len(self._fill.unfolded)))


def _first(error: Exception) -> BaseException:
    """An error itself, out of the groups that task groups wrap it in."""
    found: BaseException = error
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
