"""Guarantees 1-5 while clients order and the servers behind the command side fail, or its relays stand still."""

import signal
from datetime import timedelta

import pytest

from command_service.event_store.database import Database
from command_service.relay import publisher
from tests.integration.command_service.relays import Topics, caught_up, environment, process, relaying, status
from tests.integration.command_service.served import Start
from tests.integration.command_service.sessions import kill_sessions
from tests.integration.command_service.tcp_proxy import KafkaProxy
from tests.integration.command_service.traffic import Traffic
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually


async def end_well(traffic: Traffic, topics: Topics) -> None:
    """The clients come to an end, and nothing is lost, doubled or out of order."""
    await traffic.goes_on()
    await traffic.end()
    await traffic.assert_nothing_lost_or_doubled()
    await traffic.assert_published(topics)


async def led_for(database: Database, duration: timedelta) -> None:
    """Returns when the shard's leader has renewed its lease for so long."""
    [before] = await status(database)

    async def renewed() -> bool:
        [now] = await status(database)
        assert now.epoch == before.epoch, "it goes on leading"
        return now.heartbeat_time.ToDatetime() - before.heartbeat_time.ToDatetime() > duration

    await eventually(renewed, within=20, what=f"a leader for {duration}")


async def test_every_session_of_the_database_is_ended_again_and_again(
    start: Start, traffic: Traffic, topics: Topics, write_database: WriteDatabase
) -> None:
    with start() as served:
        traffic.begin()
        await topics.read(1)
        for _ in range(8):
            await traffic.goes_on(answers=20)
            assert await kill_sessions(write_database, "any") >= 1
        await served.server.until_logged("relay starts again")
        assert served.server.logged("commit interrupted")
        await end_well(traffic, topics)


async def test_the_broker_is_away(
    start: Start, traffic: Traffic, topics: Topics, broker: KafkaProxy, database: Database
) -> None:
    with start(KAFKA_BROKERS=f"127.0.0.1:{broker.port}"):
        traffic.begin()
        await traffic.goes_on()
        for _ in range(3):
            await broker.cut()
            await traffic.goes_on()
            await broker.open()
            await traffic.goes_on()
        await end_well(traffic, topics)
        await caught_up(database)


async def test_the_broker_is_frozen_for_longer_than_a_request_to_it_may_take(
    start: Start, traffic: Traffic, topics: Topics, database: Database, broker: KafkaProxy
) -> None:
    """What was sent and not answered is sent again, and what was held back then arrives as well."""
    with start("--no-relay"), pytest.MonkeyPatch.context() as patch:
        patch.setitem(publisher.CONFIG, "socket.timeout.ms", 1500)
        traffic.begin()
        await traffic.goes_on()
        async with relaying(traffic.database, topics.prefix, KAFKA_BROKERS=f"127.0.0.1:{broker.port}"):
            await topics.read(1)
            for _ in range(2):
                broker.freeze()
                await led_for(database, timedelta(seconds=3))
                broker.thaw()
                await traffic.goes_on()
            await end_well(traffic, topics)


async def test_the_relays_leader_stands_still_for_longer_than_its_lease(
    start: Start, traffic: Traffic, topics: Topics, write_database: WriteDatabase, database: Database
) -> None:
    settings = environment(write_database, topics.prefix)
    with start("--no-relay"):
        traffic.begin()
        await traffic.goes_on()
        with process("command_service.relay", settings) as one, process("command_service.relay", settings) as other:
            await topics.read(1)
            [led] = await status(database)
            leader, follower = (one, other) if led.holder.endswith(f"/{one.pid}") else (other, one)
            leader.send(signal.SIGSTOP)
            await follower.until_logged("relay leads")
            await traffic.goes_on()
            leader.send(signal.SIGCONT)
            await leader.until_logged("relay starts again")
            await end_well(traffic, topics)
            [after] = await status(database)
            assert (after.epoch, after.holder.endswith(f"/{follower.pid}")) == (led.epoch + 1, True)
