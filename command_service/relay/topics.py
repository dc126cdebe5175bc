"""The topics that events are published to, and which partition an aggregate's events go to, for ever."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from command_service.relay.lease import Connection
from event_schemas.aggregates import AGGREGATES

_NAMES = {each.type: each.topic for each in AGGREGATES}
_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 0.02
_log = structlog.get_logger("command_service.relay")


class TooFewPartitions(Exception):
    """A topic has fewer partitions than it was made with, so that keys would change their partition."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Where each kind of aggregate is published: topic and partition count by aggregate type."""

    by_type: Mapping[str, tuple[str, int]]

    def destination(self, aggregate_type: str, aggregate_id: str) -> tuple[str, int]:
        """The topic and partition of an aggregate's events.

        Raises:
            KeyError: no topic is known for this type.
        """
        topic, partition_count = self.by_type[aggregate_type]
        return topic, int(aggregate_id.replace("-", ""), 16) % partition_count


def prepare_topics(brokers: str, connection: Connection, *, prefix: str, partition_count: int) -> Topics:
    """Makes the topics that are missing and records their partition counts; a recorded count never changes.

    Raises:
        TooFewPartitions: an existing topic has fewer partitions than recorded, or than asked for.
        KafkaException: the brokers are away or refuse.
    """
    admin = AdminClient({"bootstrap.servers": brokers})
    topics = {kind: f"{prefix}.{name}.events.v1" for kind, name in _NAMES.items()}
    _create(admin, list(topics.values()), partition_count)
    present = _listed(admin, topics.values())
    counts = {}
    for topic in topics.values():
        actual = present[topic]
        recorded = connection.execute("SELECT partition_count FROM relay_topic WHERE topic = %s", [topic]).fetchone()
        wanted = recorded[0] if recorded else partition_count
        if actual < wanted:
            raise TooFewPartitions(
                f"topic {topic} has {actual} partitions and must have {wanted}: add partitions to it"
            )
        counts[topic] = recorded[0] if recorded else _record(connection, topic, actual)
    return Topics({kind: (topic, counts[topic]) for kind, topic in topics.items()})


def _record(connection: Connection, topic: str, partition_count: int) -> int:
    """Records the partition count of a topic that is used for the first time; the one that another relay recorded."""
    connection.execute(
        "INSERT INTO relay_topic (topic, partition_count) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [topic, partition_count],
    )
    row = connection.execute("SELECT partition_count FROM relay_topic WHERE topic = %s", [topic]).fetchone()
    return int(row[0]) if row else partition_count


def _listed(admin: AdminClient, names: Collection[str]) -> Mapping[str, int]:
    """The topics' partition counts; brokers list a new topic a moment after it was made.

    Raises:
        KafkaException: the brokers are away, or do not list them all in time.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        listed = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        counts = {name: len(listed[name].partitions) for name in names if name in listed}
        missing = [name for name in names if not counts.get(name)]
        if not missing:
            return counts
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"not listed: {', '.join(missing)}"))
        time.sleep(_PAUSE_SECONDS)


def _create(admin: AdminClient, names: list[str], partition_count: int) -> None:
    made = admin.create_topics(
        [NewTopic(name, num_partitions=partition_count) for name in names],
        operation_timeout=_TIMEOUT_SECONDS,
        request_timeout=_TIMEOUT_SECONDS,
    )
    for name, future in made.items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            _log.info("topic made", topic=name, partitions=partition_count)
