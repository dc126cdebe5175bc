"""The command server and its relay killed at each point of append and publication, while clients order."""

import asyncio
import signal
import uuid
from contextlib import AsyncExitStack

import pytest

from tests.integration.command_service.gate import gate_of
from tests.integration.command_service.relays import Topics
from tests.integration.command_service.served import Start
from tests.integration.command_service.sessions import kill_sessions
from tests.integration.command_service.traffic import Traffic
from tests.integration.conftest import WriteDatabase

SHARDS = "2"


@pytest.mark.parametrize("point", ["append.unsent:40", "append.committed:40"])
async def test_a_server_that_dies_around_a_commit_loses_and_doubles_nothing(
    start: Start, traffic: Traffic, topics: Topics, point: str
) -> None:
    with start(FAIL_POINT=point, LOG_SHARDS=SHARDS) as dying:
        traffic.begin()
        assert await dying.server.end() == -signal.SIGKILL
    with start(LOG_SHARDS=SHARDS):
        await traffic.goes_on()
        await traffic.end()
        await traffic.assert_nothing_lost_or_doubled()
        await traffic.assert_published(topics)


@pytest.mark.parametrize("session_dies", [False, True], ids=["its session lives on", "its session dies"])
async def test_a_server_that_is_killed_between_insert_and_commit_loses_and_doubles_nothing(
    start: Start, traffic: Traffic, topics: Topics, write_database: WriteDatabase, *, session_dies: bool
) -> None:
    """A session learns of the death only when it answers: until then its commit may be yet to come."""
    order_id = uuid.uuid4()
    async with gate_of(write_database) as gate, AsyncExitStack() as serving:
        async with gate.closed(order_id):
            with start(LOG_SHARDS=SHARDS) as dying:
                traffic.begin()
                await traffic.goes_on()
                ordering = asyncio.create_task(traffic.order(str(order_id)))
                await gate.until_waiting(1)
                dying.server.send(signal.SIGKILL)
                await dying.server.end()
            if session_dies:
                await kill_sessions(write_database, "waiting")
            serving.enter_context(start(LOG_SHARDS=SHARDS))
            await gate.until_waiting(1 if session_dies else 2, within=20)
        await ordering
        await traffic.goes_on()
        await traffic.end()
        await traffic.assert_nothing_lost_or_doubled()
        await traffic.assert_published(topics)


@pytest.mark.parametrize("point", ["relay.read:100", "relay.sent:100", "relay.delivered:20", "relay.advanced:20"])
async def test_a_relay_that_dies_while_it_publishes_is_followed_by_one_that_goes_on(
    start: Start, traffic: Traffic, topics: Topics, point: str
) -> None:
    with start(FAIL_POINT=point, LOG_SHARDS=SHARDS) as served:
        traffic.begin()
        await served.server.until_logged("a child ended; starting it again")
        assert served.server.logged("a child ended; starting it again")[0]["status"] == -signal.SIGKILL
        await traffic.goes_on()
        served.server.send(signal.SIGKILL)
    with start(LOG_SHARDS=SHARDS):
        await traffic.goes_on()
        await traffic.end()
        await traffic.assert_nothing_lost_or_doubled()
        await traffic.assert_published(topics)
