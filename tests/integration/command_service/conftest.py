"""What tests of the command side get: command servers, and what is published."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service_kit.grpc_channel import open_channel
from tests.integration.command_service.relays import Topics, environment
from tests.integration.command_service.served import Start, free_address
from tests.integration.command_service.tcp_proxy import KafkaProxy, opened
from tests.integration.command_service.traffic import Traffic
from tests.integration.conftest import WriteDatabase
from tests.support.servers import KAFKA_BROKERS


@pytest.fixture
def topics(topic_prefix: str) -> Iterator[Topics]:
    """What is published under the test's own names."""
    topics = Topics(topic_prefix)
    yield topics
    topics.close()


@pytest.fixture
async def broker() -> AsyncIterator[KafkaProxy]:
    """A way to Kafka that can be cut."""
    host, _, port = KAFKA_BROKERS.partition(",")[0].rpartition(":")
    proxy = KafkaProxy((host, int(port)))
    async with opened(proxy):
        yield proxy


@pytest.fixture
async def start(write_database: WriteDatabase, topic_prefix: str) -> AsyncIterator[Start]:
    """Starts command servers at an address of the test's own."""
    address = free_address()
    async with open_channel(address) as channel:
        yield Start({**environment(write_database, topic_prefix), "GRPC_LISTEN_ADDRESS": address}, channel)


@pytest.fixture
def traffic(start: Start, write_database: WriteDatabase) -> Traffic:
    """Clients of the server that `start` starts."""
    return Traffic(start.channel, write_database)
