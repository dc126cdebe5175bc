"""How far readers are behind the event log: read now and again for the metrics, and when somebody asks."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from projector.errors import EventLogAway, Outage
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.heartbeat import Heartbeat
from projector.lag import Lag
from projector.quarantine import Quarantine
from projector.rebuild.log_reader import LogReader
from projector.tracing import silent

_READ_SECONDS = 5.0
_VALID_SECONDS = 30.0
_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the live generation was at some time.

    Args:
        lag: of its consumer group.
        unindexed_positions: from the last event that is indexed with all before it to the log's head, over all
            shards; what is not published yet counts. None while the command service is away.
        quarantined: aggregates and messages that cannot be projected.
    """

    lag: Lag
    unindexed_positions: int | None
    quarantined: int


class Freshness:
    """Reads how far a projection's live generation is.

    Args:
        quarantine: of a generation.
    """

    def __init__(
        self, generations: Generations, groups: Groups, log: LogReader, quarantine: Callable[[Generation], Quarantine]
    ) -> None:
        self._generations = generations
        self._groups = groups
        self._log_reader = log
        self._quarantine = quarantine

    async def read(self, live: Generation | None = None) -> Reading:
        """How far it is now.

        Raises:
            Outage: Elasticsearch or Kafka is away.
        """
        live = live or await self._generations.live()
        try:
            ends = await self._log_reader.ends()  # before the topics' ends: what is published by then is in them
        except EventLogAway:
            ends = None
        lag = await self._groups.lag(live)
        distance = None
        if ends is not None:
            indexed = {
                shard: min(published, lag.firsts.get(shard, published + 1) - 1)
                for shard, published in ends.published.items()
            }
            distance = sum(max(0, head - indexed[shard]) for shard, head in ends.heads.items())
        return Reading(lag, distance, await self._quarantine(live).count())


class FreshnessMetrics:
    """Tells the last reading, unless it is too old to be told, and the heartbeat."""

    def __init__(self, name: str, freshness: Freshness, heartbeat: Heartbeat, meter: Meter) -> None:
        self._freshness = freshness
        self._heartbeat = heartbeat
        self._attributes = {"orderflow.projection.name": name}
        self._last: tuple[float, Reading] | None = None
        for metric, unit, description, value in (
            ("lag.events", "{event}", "Published events that are not indexed.", lambda each: each.lag.messages),
            ("lag.age", "s", "Age of the oldest of them.", lambda each: each.lag.age.total_seconds()),
            (
                "log.distance",
                "{position}",
                "Positions from the last indexed event to the event log's head.",
                lambda each: each.unindexed_positions,
            ),
            ("quarantined", "{entry}", "Aggregates and messages that cannot be projected.", lambda each: each.quarantined),
        ):
            meter.create_observable_gauge(
                f"orderflow.projection.{metric}", [partial(self._observe, value)], unit=unit, description=description
            )
        meter.create_observable_gauge(
            "orderflow.projection.heartbeat.age",
            [self._observe_heartbeat],
            unit="s",
            description="Time since the loop that feeds a generation last went round; the slowest one's of the process.",
        )

    async def run(self) -> None:
        """Reads again and again until it is cancelled."""
        while True:
            with suppress(Outage), silent():
                self._last = time.monotonic(), await self._freshness.read()
            await asyncio.sleep(_READ_SECONDS)

    def _observe(
        self, value: Callable[[Reading], float | None], _: CallbackOptions
    ) -> Iterator[Observation]:
        if self._last is None or time.monotonic() - self._last[0] > _VALID_SECONDS:
            return
        number = value(self._last[1])
        if number is not None:
            yield Observation(number, self._attributes)

    def _observe_heartbeat(self, _: CallbackOptions) -> Iterator[Observation]:
        age = self._heartbeat.age()
        if age is not None:
            yield Observation(age, self._attributes)
