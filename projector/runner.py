"""Runs one read model: feeds its generations, watches and rebuilds it, and answers operators about it."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from projector.audit.wiring import auditor_of
from projector.feeding import Feeding
from projector.feeds import Feeds
from projector.freshness import Freshness, LastReading
from projector.heartbeat import Heartbeat
from projector.patience import Patience
from projector.place import Place
from projector.progress import Progress
from projector.quarantine_admin import QuarantineAdmin
from projector.rebuild.wiring import rebuilds_of
from projector.searchable_probe import SearchableProbe


class Runner:
    """All that a process does with a read model.

    `progress`, `rebuilds` and `quarantine` answer operators, `reading` is for metrics.

    Args:
        stop: once it is set, rebuilds have no patience any more.
    """

    def __init__(self, place: Place[Any], stop: asyncio.Event) -> None:
        settings = place.neighbors.settings
        heartbeat = Heartbeat()
        feeding = Feeding(place, heartbeat)
        freshness = Freshness(place.generations, place.groups, place.neighbors.log, place.quarantine)
        self.name = place.read_model.name
        self.reading = LastReading(self.name, freshness, heartbeat)
        self.progress = Progress(self.name, place.generations, place.groups, freshness, heartbeat)
        self.rebuilds = rebuilds_of(place, Patience(stop))
        self.quarantine = QuarantineAdmin(
            place.generations,
            place.quarantine,
            feeding.replays,
            subjects=[*(each.type for each in place.read_model.aggregates), *place.topics],
        )
        self._place = place
        self._feeds = Feeds(
            self.name,
            place.generations,
            feeding.feed,
            kept=settings.kept_generations,
            lease_seconds=settings.rebuild_lease_seconds,
        )

    async def feed(self, stop: asyncio.Event) -> None:
        """Feeds its generations until `stop` is set.

        Raises:
            WrongIndex: the alias names several indices.
        """
        await self._feeds.run(stop)

    def onlookers(self) -> Iterator[Coroutine[None, None, None]]:
        """What looks at the projection from outside of it, each until it is cancelled."""
        place, settings = self._place, self._place.neighbors.settings
        yield self.reading.run()
        if settings.probe_interval_seconds:
            yield SearchableProbe(
                place.read_model,
                place.neighbors.elasticsearch,
                place.neighbors.commands,
                place.neighbors.log,
                place.neighbors.meter,
                alias=place.generations.alias,
                interval_seconds=settings.probe_interval_seconds,
            ).run()
        if settings.audit_interval_seconds:
            yield auditor_of(place).run()
