"""Accepted requests are remembered as long as is said, and not much longer."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from command_service.event_store.database import Database
from command_service.event_store.port import Appended, Remembered
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.retention import forget_old_requests, forget_some
from command_service.statements import statement
from tests.integration.command_service.appends import append_of
from tests.integration.command_service.served import Start
from tests.integration.command_service.tcp_proxy import TcpProxy, opened
from tests.integration.conftest import WriteDatabase, host_and_port
from tests.support.eventually import eventually

DAYS = 30
_REMEMBER = """
INSERT INTO idempotency (log_shard, principal, request_id, digest, contract_version, response, created_at)
SELECT 0, 'anonymous', %(name)s || number, 'digest', 'contract', 'answer', now() - %(age)s * interval '1 second'
FROM generate_series(1, %(count)s) AS number
"""


def remember(database: WriteDatabase, name: str, count: int, *, days: float) -> None:
    """Lets the database remember requests that were accepted so many days ago."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(_REMEMBER, {"name": name, "age": days * 86_400, "count": count})


def remembered(database: WriteDatabase) -> dict[str, int]:
    """How many requests of each name are remembered."""
    query = "SELECT rtrim(request_id, '0123456789'), count(*) FROM idempotency GROUP BY 1"
    with psycopg.connect(database.owner_url) as connection:
        return dict(connection.execute(query).fetchall())


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with PostgresEventStore(database, 1, max_waiting=1000) as store:
        yield store


async def test_a_request_is_forgotten_when_it_was_kept_long_enough_and_not_before(
    write_database: WriteDatabase, database: Database, store: PostgresEventStore
) -> None:
    minute = 1 / 24 / 60
    remember(write_database, "old-", 1, days=DAYS + minute)
    remember(write_database, "young-", 1, days=DAYS - minute)
    old, young = (append_of(uuid.uuid4(), request=name) for name in ("old-1", "young-1"))
    assert isinstance(await store.append(old), Remembered)
    assert await forget_some(database, DAYS) == 1
    assert remembered(write_database) == {"young-": 1}
    assert await store.append(old) == Appended()
    assert isinstance(await store.append(young), Remembered)


async def test_many_old_requests_are_forgotten_in_small_steps_while_appends_go_on(
    write_database: WriteDatabase, database: Database, store: PostgresEventStore
) -> None:
    remember(write_database, "old-", 4_500, days=DAYS + 1)
    remember(write_database, "young-", 50, days=1)
    stop = asyncio.Event()
    forgetting = [asyncio.create_task(forget_old_requests(database, DAYS, stop)) for _ in range(3)]
    appends = 0

    async def only_young() -> bool:
        nonlocal appends
        appends += 1
        assert await store.append(append_of(uuid.uuid4(), request=f"new-{appends}")) == Appended()
        return "old-" not in remembered(write_database)

    await eventually(only_young, within=20)
    assert remembered(write_database) == {"young-": 50, "new-": appends}
    stop.set()
    await asyncio.wait_for(asyncio.gather(*forgetting), 1)


async def test_appends_and_other_processes_do_not_wait_for_one_that_forgets(
    write_database: WriteDatabase, database: Database, store: PostgresEventStore
) -> None:
    remember(write_database, "old-", 10, days=DAYS + 1)
    async with await psycopg.AsyncConnection.connect(write_database.service_url) as slow:
        arguments = {"days": DAYS, "limit": 5}
        cursor = await slow.execute(statement("event_store", "forget_requests"), arguments)
        assert await cursor.fetchone() == (5,)
        async with asyncio.timeout(2):
            for request in ("old-1", "old-10"):
                assert isinstance(await store.append(append_of(uuid.uuid4(), request=request)), Remembered)
            assert await store.append(append_of(uuid.uuid4(), request="new")) == Appended()
            assert await forget_some(database, DAYS) == 0
        await slow.commit()
    assert await forget_some(database, DAYS) == 5


async def test_what_is_old_is_found_by_the_index(write_database: WriteDatabase) -> None:
    remember(write_database, "old-", 2_000, days=DAYS + 1)
    remember(write_database, "young-", 100_000, days=1)
    with psycopg.connect(write_database.owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE idempotency")
        forget = statement("event_store", "forget_requests")
        plan = owner.execute(f"EXPLAIN {forget}", {"days": DAYS, "limit": 1000}).fetchall()
    assert "idempotency_created_at_idx" in str(plan)


async def test_a_database_that_is_away_does_not_end_it(write_database: WriteDatabase) -> None:
    async with opened(TcpProxy(host_and_port(write_database.service_url))) as proxy:
        _, port = host_and_port(write_database.service_url)
        url = write_database.service_url.replace(f":{port}/", f":{proxy.port}/")
        async with Database(url, max_connections=2) as database:
            await database.check()
            await proxy.cut()
            stop = asyncio.Event()
            forgetting = asyncio.create_task(forget_old_requests(database, DAYS, stop))
            await asyncio.wait({forgetting}, timeout=4)
            assert not forgetting.done()
            stop.set()
            await asyncio.wait_for(forgetting, 5)


async def test_a_command_server_forgets_by_itself(start: Start, write_database: WriteDatabase) -> None:
    remember(write_database, "old-", 1_500, days=8)
    remember(write_database, "young-", 10, days=6)
    with start("--no-relay", REQUEST_ID_DAYS="7") as served:
        await served.create_order()

        async def only_young() -> bool:
            return "old-" not in remembered(write_database)

        await eventually(only_young, within=20)
        assert remembered(write_database)["young-"] == 10
