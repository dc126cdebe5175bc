"""Folds an aggregate anew from its first event, to hold what a store shows against it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic

from projector.event_log import EventLog
from projector.events import Events
from projector.folding import Folding
from read_models.read_model import AnyView, ReadModel


@dataclass(frozen=True, slots=True)
class Past(Generic[AnyView]):
    """An aggregate's events as the event log has them.

    Args:
        events: all of them up to the version that was asked for; see `History`.
        skips: versions that an operator has passed over.
    """

    id: str
    events: Events
    skips: Collection[int]
    folding: Folding[AnyView]

    @property
    def head(self) -> int:
        """The version of the last event; 0 where there is none."""
        return self.events[-1].version if self.events else 0

    async def at(self, version: int) -> AnyView | None:
        """The view in that version, without its customer; None where the aggregate has no events.

        Raises:
            Unprojectable: the events cannot be folded so far.
        """
        until = [each for each in self.events if each.version <= version]
        view, failure = await self.folding.folded(self.id, None, until, self.skips)
        if failure is not None:
            raise failure.cause
        return view


class Refolding(Generic[AnyView]):
    """Reads and folds what the event log has of a read model's aggregates."""

    def __init__(self, read_model: ReadModel[AnyView], event_log: EventLog) -> None:
        self._aggregate = read_model.aggregate
        self._event_log = event_log
        self._folding = Folding(read_model, event_log)

    async def past_of(self, id_: str, *, to: int = 0, skips: Collection[int] = ()) -> Past[AnyView]:
        """The aggregate's events up to a version, or to its head.

        Raises:
            EventLogAway: the log does not answer.
        """
        history = await self._event_log.history(self._aggregate, id_, 0, to, skips)
        return Past(id_, history.events, skips, self._folding)
