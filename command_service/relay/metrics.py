"""What a relay tells of itself: whether it leads, what it has published, and how far the publishing is behind."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import psycopg
import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from command_service.relay.lease import Connection
from command_service.statements import statement

MOST_COUNTED = 100_000
"""A larger lag in events is told as this: to count more would take from the database what the relay needs."""
_SHARD = "orderflow.log.shard"
_READ_SECONDS = 5.0
_VALID_SECONDS = 30.0
_log = structlog.get_logger("command_service.relay")
_Lag = tuple[int, int, float]
"""A shard, its events that are not published, the age of the oldest in seconds."""


class RelayMetrics:
    """One for all shards of a process; its methods may be called from any thread."""

    def __init__(self, meter: Meter, shard_count: int) -> None:
        self._leads = dict.fromkeys(range(shard_count), 0)
        self._published = meter.create_counter(
            "orderflow.relay.published", unit="{event}", description="Events that Kafka has taken from this relay."
        )
        self._restarts = meter.create_counter(
            "orderflow.relay.restarts", unit="{restart}", description="Times that a shard was begun again, by cause."
        )
        meter.create_observable_up_down_counter(
            "orderflow.relay.leading",
            [self._observe_leading],
            unit="{shard}",
            description="1 where this relay publishes the shard, 0 where it stands by.",
        )

    def leads(self, log_shard: int, *, now: bool) -> None:
        """Notes that a shard is led from here, or is not any more."""
        self._leads[log_shard] = int(now)

    def published(self, log_shard: int, events: int) -> None:
        """Counts events that have been delivered."""
        if events:
            self._published.add(events, {_SHARD: log_shard})

    def restarted(self, log_shard: int, cause: Exception) -> None:
        """Counts a shard that is begun again."""
        self._restarts.add(1, {_SHARD: log_shard, ERROR_TYPE: type(cause).__name__})

    def _observe_leading(self, _: CallbackOptions) -> Iterator[Observation]:
        for log_shard, leads in self._leads.items():
            yield Observation(leads, {_SHARD: log_shard})


class LagMetrics:
    """Reads how far the publishing of all shards is behind, whoever leads them, over a connection of its own.

    Args:
        connect: opens a connection to the primary, in autocommit.
    """

    def __init__(self, meter: Meter, connect: Callable[[], Connection], shard_count: int) -> None:
        self._connect = connect
        self._arguments = {"shards": shard_count, "most_counted": MOST_COUNTED}
        self._last: tuple[float, Sequence[_Lag]] = (0.0, ())
        self._gauge(
            meter,
            "orderflow.relay.lag.events",
            "{event}",
            f"Events that are not published; at most {MOST_COUNTED} are told.",
            1,
        )
        self._gauge(meter, "orderflow.relay.lag.age", "s", "Age of the oldest event that is not published.", 2)

    def run(self, stop: threading.Event) -> None:
        """Reads every few seconds until `stop` is set; while the database is away there are no values."""
        while not stop.is_set():
            try:
                with self._connect() as connection:
                    while not stop.is_set():
                        self._last = time.monotonic(), self._read(connection)
                        stop.wait(_READ_SECONDS)
            except psycopg.Error as error:
                _log.warning("the relay's lag is not known", cause=type(error).__name__)
                stop.wait(_READ_SECONDS)

    def _read(self, connection: Connection) -> Sequence[_Lag]:
        return connection.execute(statement("relay", "lag"), self._arguments).fetchall()

    def _gauge(self, meter: Meter, name: str, unit: str, description: str, column: int) -> None:
        observe = partial(self._observe, column)
        meter.create_observable_gauge(name, [observe], unit=unit, description=description)

    def _observe(self, column: int, _: CallbackOptions) -> Iterator[Observation]:
        read, lags = self._last
        if time.monotonic() - read > _VALID_SECONDS:
            return
        for lag in lags:
            attributes: Mapping[str, int] = {_SHARD: lag[0]}
            yield Observation(lag[column], attributes)
