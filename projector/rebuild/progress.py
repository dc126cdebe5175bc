"""How far a rebuild has come, as it is told to operators."""

import time
from collections.abc import Callable
from datetime import timedelta

from orderflow.admin.v1 import rebuild_pb2 as pb

Measure = Callable[[], tuple[int, int]]
"""How much of a phase is done, and how much there is to do."""


class RebuildProgress:
    """Knows the phase, and how fast it goes."""

    def __init__(self, projection: str, generation: int) -> None:
        self._rebuild = pb.Rebuild(projection=projection, generation=generation)
        self._rebuild.start_time.GetCurrentTime()
        self.enter(pb.REBUILD_PHASE_FILLING)

    def enter(self, phase: "pb.RebuildPhase.ValueType", measure: Measure = lambda: (0, 0)) -> None:
        """Begins a phase."""
        self._rebuild.phase = phase
        self._measure = measure
        self._since = time.monotonic()

    def result(self, *, unfolded: int, failure: str = "") -> pb.Rebuild:
        """How it ends, which is told from `end` on."""
        result = pb.Rebuild(failure=failure, unfolded_count=unfolded)
        result.MergeFrom(self._rebuild)
        result.phase = pb.REBUILD_PHASE_FAILED if failure else pb.REBUILD_PHASE_DONE
        result.end_time.GetCurrentTime()
        return result

    def end(self, result: pb.Rebuild) -> None:
        """Tells how it ended: once it stands in nobody's way any more."""
        self.enter(result.phase)
        self._rebuild = result

    def message(self) -> pb.Rebuild:
        """All of it, as it is now."""
        told = pb.Rebuild()
        told.CopyFrom(self._rebuild)
        told.done_count, told.total_count = self._measure()
        seconds = time.monotonic() - self._since
        if told.done_count and seconds:
            told.rate = round(told.done_count / seconds)
            left = (told.total_count - told.done_count) * seconds / told.done_count
            told.remaining_duration.FromTimedelta(timedelta(seconds=max(0.0, left)))
        return told
