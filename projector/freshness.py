"""How far readers are behind the event log: read now and again for the metrics, and when somebody asks."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from projector.errors import EventLogAway
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.heartbeat import Heartbeat
from projector.lag import Lag
from projector.onlookers import again_and_again
from projector.quarantine import Quarantine
from projector.rebuild.log_reader import LogReader

_READ_SECONDS = 5.0
_VALID_SECONDS = 30.0


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


_Value: TypeAlias = Callable[[Reading], float | None]


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

    async def read(self) -> Reading:
        """How far it is now.

        Raises:
            Outage: Elasticsearch or Kafka is away.
        """
        live = await self._generations.live()
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


class LastReading:
    """A projection's last reading, unless it is too old to be told, and its heartbeat.

    Args:
        name: of the projection.
    """

    def __init__(self, name: str, freshness: Freshness, heartbeat: Heartbeat) -> None:
        self.attributes = {"orderflow.projection.name": name}
        self.heartbeat = heartbeat
        self._freshness = freshness
        self._last: tuple[float, Reading] | None = None

    async def run(self) -> None:
        """Reads again and again until it is cancelled."""
        await again_and_again(self._read, "reading of the lag", pause_seconds=_READ_SECONDS)

    def get(self) -> Reading | None:
        """The reading; None where there is none that may be told."""
        if self._last is None or time.monotonic() - self._last[0] > _VALID_SECONDS:
            return None
        return self._last[1]

    async def _read(self) -> None:
        reading = await self._freshness.read()
        self._last = time.monotonic(), reading


class FreshnessMetrics:
    """Tells the last readings of all projections of a process: an instrument can be made only once."""

    def __init__(self, readings: Sequence[LastReading], meter: Meter) -> None:
        self._readings = readings
        self._gauge(meter, "lag.events", "{event}", "Published events that are not indexed.", _lag_events)
        self._gauge(meter, "lag.age", "s", "Age of the oldest published event that is not indexed.", _lag_age)
        self._gauge(meter, "log.distance", "{position}", "From the last indexed event to the log's head.", _distance)
        self._gauge(meter, "quarantined", "{entry}", "What cannot be projected.", _quarantined)
        meter.create_observable_gauge(
            "orderflow.projection.heartbeat.age",
            [self._observe_heartbeats],
            unit="s",
            description="Time since the slowest of the process's loops that feed generations went round.",
        )

    def _gauge(self, meter: Meter, name: str, unit: str, description: str, value: _Value) -> None:
        callbacks = [partial(self._observe, value)]
        meter.create_observable_gauge(f"orderflow.projection.{name}", callbacks, unit=unit, description=description)

    def _observe(self, value: _Value, _: CallbackOptions) -> Iterator[Observation]:
        for each in self._readings:
            reading = each.get()
            number = None if reading is None else value(reading)
            if number is not None:
                yield Observation(number, each.attributes)

    def _observe_heartbeats(self, _: CallbackOptions) -> Iterator[Observation]:
        for each in self._readings:
            age = each.heartbeat.age()
            if age is not None:
                yield Observation(age, each.attributes)


def _lag_events(reading: Reading) -> float:
    return reading.lag.messages


def _lag_age(reading: Reading) -> float:
    return reading.lag.age.total_seconds()


def _distance(reading: Reading) -> float | None:
    return reading.unindexed_positions


def _quarantined(reading: Reading) -> float:
    return reading.quarantined
