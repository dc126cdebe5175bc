"""Offsets of whole topics, on a real Kafka."""

import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from projector.errors import BrokersAway
from projector.offsets import TopicOffsets
from tests.support.servers import KAFKA_BROKERS

CONFIG: dict[str, str | int | float | bool] = {"bootstrap.servers": KAFKA_BROKERS}


async def test_topics_made_this_very_moment_have_offsets() -> None:
    """Brokers tell of a new topic a moment later: that it is missing, is led by nobody, or by somebody else."""
    admin = AdminClient(CONFIG)
    for _ in range(20):
        topics = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(2)]
        for made in admin.create_topics([NewTopic(each, 12) for each in topics]).values():
            made.result(10)
        offsets = TopicOffsets(CONFIG, topics)
        nothing = {(topic, partition): 0 for topic in topics for partition in range(12)}
        assert await offsets.committed(uuid.uuid4().hex) == nothing
        assert await offsets.ends() == nothing
        for gone in admin.delete_topics(topics).values():
            gone.result(10)


async def test_a_topic_that_is_missing_is_an_outage() -> None:
    """Nothing is known of it; "no partitions" would read as "all is finished"."""
    offsets = TopicOffsets(CONFIG, [f"test-{uuid.uuid4().hex[:12]}"])
    with pytest.raises(BrokersAway, match="UNKNOWN_TOPIC_OR_PART"):
        await offsets.ends()
