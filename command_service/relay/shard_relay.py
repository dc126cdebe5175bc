"""Tails one shard of the log and publishes it in order, as long as it holds the shard's lease."""

import threading
import time
from collections.abc import Callable

import psycopg
import structlog
from confluent_kafka import KafkaException

from command_service.relay.lease import LEASE_SECONDS, Connection, Lease, LeaseLost
from command_service.relay.log_tail import BATCH, LogTail
from command_service.relay.metrics import RelayMetrics
from command_service.relay.publisher import DeliveryFailed, Publisher
from command_service.relay.topics import TooFewPartitions, Topics
from service_kit import fail_points

_MAX_IN_FLIGHT = 10_000
_LEAST_PAUSE_SECONDS = 0.002
_MOST_PAUSE_SECONDS = 0.02
_RESTART_SECONDS = 1.0
_log = structlog.get_logger("command_service.relay")


class ShardRelay:
    """Publishes one shard; any number may run, the lease lets one at a time.

    Consumers can rely on: every event appears; the first appearances of an aggregate's versions are in order;
    repeats may appear anywhere.

    Args:
        connect: opens a connection to the primary, in autocommit.
        open_topics: prepares the topics with that connection.
        open_publisher: makes a fresh publisher.
        metrics: told of what becomes of the shard.
    """

    def __init__(
        self,
        log_shard: int,
        holder: str,
        *,
        connect: Callable[[], Connection],
        open_topics: Callable[[Connection], Topics],
        open_publisher: Callable[[Topics, int], Publisher],
        metrics: RelayMetrics,
    ) -> None:
        self._log_shard = log_shard
        self._holder = holder
        self._connect = connect
        self._open_topics = open_topics
        self._open_publisher = open_publisher
        self._metrics = metrics

    def run(self, stop: threading.Event) -> None:
        """Relays until `stop` is set; after any fault it starts again from the cursor."""
        while not stop.is_set():
            try:
                with self._connect() as connection, LogTail(self._connect, self._log_shard) as log:
                    topics = self._open_topics(connection)
                    self._lead_when_possible(connection, log, topics, stop)
            except (psycopg.Error, KafkaException, DeliveryFailed, LeaseLost, TooFewPartitions) as error:
                _log.warning("relay starts again", log_shard=self._log_shard, cause=str(error).strip())
                self._metrics.restarted(self._log_shard, error)
                stop.wait(_RESTART_SECONDS)

    def _lead_when_possible(self, connection: Connection, log: LogTail, topics: Topics, stop: threading.Event) -> None:
        while not stop.is_set():
            lease = Lease.acquire(connection, self._log_shard, self._holder)
            if lease is None:
                stop.wait(LEASE_SECONDS / 5)
                continue
            _log.info("relay leads", log_shard=self._log_shard, epoch=lease.epoch, position=lease.position)
            publisher = self._open_publisher(topics, self._log_shard)
            self._metrics.leads(self._log_shard, now=True)
            try:
                _Pass(lease, log, publisher, self._metrics).follow(stop)
            finally:
                self._metrics.leads(self._log_shard, now=False)
                publisher.abandon()
            lease.release()


class _Pass:
    """One leader's pass over the log: reads ahead, sends, and moves the cursor behind what has arrived."""

    def __init__(self, lease: Lease, log: LogTail, publisher: Publisher, metrics: RelayMetrics) -> None:
        self._lease = lease
        self._log = log
        self._publisher = publisher
        self._metrics = metrics
        self._sent = lease.position
        self._delivered = lease.position
        self._recorded = lease.position
        self._renewed = time.monotonic()

    def follow(self, stop: threading.Event) -> None:
        pause = _LEAST_PAUSE_SECONDS
        while not stop.is_set():
            moved = self._read_and_send() if self._publisher.in_flight < _MAX_IN_FLIGHT else 0
            pause = _LEAST_PAUSE_SECONDS if moved else min(pause * 2, _MOST_PAUSE_SECONDS)
            self._poll(0.0 if moved == BATCH else pause)
        self._drain()

    def _read_and_send(self) -> int:
        rows = self._log.after(self._sent)
        if not rows:
            return 0
        fail_points.reach("relay.read")
        sent = self._publisher.send(rows)
        if sent:
            self._sent = rows[sent - 1][0]
            fail_points.reach("relay.sent")
        return sent

    def _poll(self, seconds: float) -> None:
        position = self._publisher.poll(seconds)
        self._metrics.published(self._lease.log_shard, self._publisher.take_delivered())
        if position is not None:
            fail_points.reach("relay.delivered")
            self._delivered = position
        renewal_due = time.monotonic() - self._renewed > LEASE_SECONDS / 5
        if self._delivered > self._recorded or renewal_due:
            self._lease.advance(self._delivered)
            if self._delivered > self._recorded:
                fail_points.reach("relay.advanced")
            self._recorded, self._renewed = self._delivered, time.monotonic()

    def _drain(self) -> None:
        """On a stop: waits a moment for what is on its way, so that the next leader repeats little."""
        deadline = time.monotonic() + LEASE_SECONDS / 2
        while self._publisher.in_flight and time.monotonic() < deadline:
            self._poll(_MOST_PAUSE_SECONDS)
