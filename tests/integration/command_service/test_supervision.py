"""`python -m command_service`: the server, and the relay as its child, killed and stopped in every way."""

import asyncio
import os
import signal
import socket
import uuid
from contextlib import suppress
from pathlib import Path

from command_service.event_store.database import Database
from tests.integration.command_service.gate import gate_of
from tests.integration.command_service.relays import Topics, caught_up, status
from tests.integration.command_service.served import FULFILLMENT, RELAY, WORKER, Start, command_line
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually


def told(setting: str) -> list[int]:
    """The processes that have something in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if setting.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found


async def gone(*pids: int, within: float = 15.0) -> None:
    """Returns when none of the processes is there any more."""

    async def nobody() -> bool:
        return not any(map(command_line, pids))

    await eventually(nobody, within=within, what=f"the end of {pids}")


async def test_the_server_alone_publishes_what_it_accepts(start: Start, topics: Topics) -> None:
    with start() as served:
        answer = await served.create_order()
        [event] = await topics.read(1)
        assert (event.aggregate_id, event.version) == (answer.order_id, answer.version)


async def test_without_a_relay_nothing_is_published(start: Start, database: Database) -> None:
    with start("--no-relay") as served:
        await served.create_order()
        assert served.children(RELAY) == []
        [shard] = await status(database)
        assert (shard.lag_events, shard.epoch) == (1, 0)


async def test_a_relay_that_is_killed_comes_back_and_goes_on(start: Start, topics: Topics) -> None:
    with start() as served:
        await served.create_order()
        await topics.read(1)
        killed = await served.child(RELAY)
        os.kill(killed, signal.SIGKILL)
        await served.create_order()
        assert await served.child(RELAY, not_=killed) != killed
        events = await topics.read(2)
    assert len({event.aggregate_id for event in events}) == 2


async def test_a_server_has_fulfillment_as_a_child_too_unless_told_otherwise(start: Start) -> None:
    with start(fulfillment=True) as served:
        await served.create_order()
        killed = await served.child(FULFILLMENT)
        relay = await served.child(RELAY)
        os.kill(killed, signal.SIGKILL)
        again = await served.child(FULFILLMENT, not_=killed)
        served.server.send(signal.SIGTERM)
        assert await served.server.end() == 0
        await gone(again, relay, within=1)
    with start() as served:
        await served.create_order()
        await served.child(RELAY)
        assert served.children(FULFILLMENT) == []


async def test_a_server_that_is_killed_takes_its_relay_with_it(start: Start, database: Database) -> None:
    with start() as served:
        await served.create_order()
        await caught_up(database)
        relay = await served.child(RELAY)
        served.server.send(signal.SIGKILL)
        await gone(relay)
    [shard] = await status(database)
    assert shard.holder == "", "it left in good order, so that a successor need not wait"


async def test_a_server_that_is_told_to_stop_ends_well_and_so_does_its_relay(start: Start, database: Database) -> None:
    with start() as served:
        await served.create_order()
        await caught_up(database)
        relay = await served.child(RELAY)
        served.server.send(signal.SIGTERM)
        assert await served.server.end() == 0
        await gone(relay, within=1)
        assert len(served.server.logged("ended in good order")) == 2
    [shard] = await status(database)
    assert shard.holder == ""


async def test_a_command_in_hand_is_answered_before_the_server_ends(
    start: Start, write_database: WriteDatabase
) -> None:
    order_id = uuid.uuid4()
    async with gate_of(write_database) as gate:
        with start("--no-relay") as served:
            await served.create_order()
            async with gate.closed(order_id):
                creating = asyncio.create_task(served.create_order(order_id))
                await gate.until_waiting(1)
                served.server.send(signal.SIGTERM)
                await served.server.until_logged("draining")
            assert (await creating).version == 1
            assert await served.server.end() == 0


async def test_a_server_that_cannot_start_leaves_no_relay_behind(start: Start, topic_prefix: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start(GRPC_LISTEN_ADDRESS=f"127.0.0.1:{taken.getsockname()[1]}") as served:
            assert await served.server.end() == 1
            [record] = served.server.logged("stopped by an error")
            assert "GRPC_LISTEN_ADDRESS" in record["error"]

    await gone(*told(topic_prefix))


async def test_a_worker_that_is_killed_comes_back_and_all_end_well_together(start: Start) -> None:
    with start("--workers", "2", "--no-relay") as served:
        await served.create_order()
        killed = await served.child(WORKER)
        os.kill(killed, signal.SIGKILL)
        await served.create_order()

        async def two_again() -> bool:
            return len(set(served.children(WORKER)) - {killed}) == 2

        await eventually(two_again, within=20)
        served.server.send(signal.SIGTERM)
        assert await served.server.end() == 0
