"""Folds an aggregate's new events into its view: each exactly once and in order, whatever Kafka brought."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic

import structlog

from projector.errors import Unfoldable, Unprojectable
from projector.event_log import EventLog
from projector.events import AnyEvent, Events, UnreadableEvent
from read_models.read_model import AnyView, ReadModel

_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Failure:
    """The first version of an aggregate that cannot be projected, and why."""

    version: int
    cause: Unprojectable


class Folding(Generic[AnyView]):
    """The fold of a read model, completed out of the event log."""

    def __init__(self, read_model: ReadModel[AnyView], event_log: EventLog) -> None:
        self._read_model = read_model
        self._event_log = event_log

    async def folded(
        self, id_: str, before: AnyView | None, events: Events, skips: Collection[int] = ()
    ) -> tuple[AnyView | None, Failure | None]:
        """The view with those of the events that it does not have yet; the given view itself where it has them all.

        Repeats are dropped. What is missing before an event is read from the event log. Where a version fails, the
        view has everything before it and nothing after.

        Args:
            skips: versions that an operator has passed over: the view has them, and nothing changes by them.

        Raises:
            EventLogAway: the log does not answer.
        """
        view = before
        for each in events:
            version = view.version if view else 0
            if each.version <= version:
                continue
            for event in (*await self._between(id_, version, each.version, skips), each):
                try:
                    view = self._evolved(view, event, skips)
                except Unprojectable as cause:
                    return view, Failure(event.version, cause)
        return view, None

    async def _between(self, id_: str, version: int, next_version: int, skips: Collection[int]) -> Events:
        """The events after the one version and before the other; none where they follow each other."""
        if next_version == version + 1:
            return ()
        aggregate, to = self._read_model.aggregate, next_version - 1
        _log.warning(
            "gap read from the event log",
            projection=self._read_model.name,
            aggregate_id=id_,
            after_version=version,
            to=to,
        )
        return (await self._event_log.history(aggregate, id_, version, to, skips)).events

    def _evolved(self, view: AnyView | None, event: AnyEvent, skips: Collection[int]) -> AnyView:
        if view is not None and event.version in skips:
            return self._read_model.pass_over(view, event.version)
        return evolved(self._read_model, view, event)


def evolved(read_model: ReadModel[AnyView], view: AnyView | None, event: AnyEvent) -> AnyView:
    """The view with its next event.

    Raises:
        Unprojectable: it cannot be read or folded.
    """
    if isinstance(event, UnreadableEvent):
        raise event.cause
    try:
        return read_model.evolve(view, event.event, event.version)
    except Exception as error:
        raise Unfoldable(f"version {event.version} cannot be folded: {type(error).__name__}") from error
