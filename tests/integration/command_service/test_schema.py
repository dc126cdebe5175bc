"""The write database: migrated once by many, append-only for everybody, with one number of shards for good."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from command_service.event_store.database import Database
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.schema import migrate
from command_service.event_store.sharding import ShardCountMismatch, agree_on_shards, shard_of
from tests.integration.command_service.appends import append_of
from tests.integration.conftest import WriteDatabase

_OBJECTS = [
    (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, 2"
    ),
    (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
    ),
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    "SELECT sequencename, cache_size, increment_by, cycle FROM pg_sequences ORDER BY 1",
    (
        "SELECT table_name, privilege_type FROM information_schema.table_privileges"
        " WHERE grantee = 'orderflow_service' ORDER BY 1, 2"
    ),
    "SELECT migration_id FROM _yoyo_migration ORDER BY 1",
]
_COPY = (
    "INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata,"
    " created_at) SELECT log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata,"
    " created_at FROM event_store"
)
CHANGES = [
    "UPDATE event_store SET event_data = 'forged'",
    "UPDATE event_store SET version = version + 1 WHERE false",
    "DELETE FROM event_store",
    "TRUNCATE event_store",
    "TRUNCATE event_store CASCADE",
    f"{_COPY} ON CONFLICT (aggregate_id, version) DO UPDATE SET event_data = 'forged'",
    "MERGE INTO event_store USING (SELECT) AS any_row ON true WHEN MATCHED THEN DELETE",
]
NOT_FOR_THE_SERVICE = [
    "UPDATE idempotency SET response = 'forged'",
    "TRUNCATE idempotency",
    "UPDATE log_shards SET shard_count = 2",
    "DELETE FROM log_shards",
    "DELETE FROM relay_cursor",
    "UPDATE relay_topic SET partition_count = 1",
    "SELECT setval('event_position', 1)",
    "ALTER SEQUENCE event_position CACHE 100",
    "ALTER TABLE event_store DISABLE TRIGGER ALL",
    "DROP TRIGGER event_store_is_append_only ON event_store",
    "DROP TABLE event_store",
    "CREATE TABLE mine (a int)",
    "SET session_replication_role = replica",
]
_MIGRATE = "import sys; from command_service.event_store.schema import migrate; migrate(*sys.argv[1:])"


def described(database: WriteDatabase) -> list[list[TupleRow]]:
    """Every object of the schema."""
    with psycopg.connect(database.owner_url) as connection:
        return [connection.execute(query).fetchall() for query in _OBJECTS]


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


async def appended(database: WriteDatabase) -> list[TupleRow]:
    """The rows of the log after an append."""
    async with (
        Database(database.service_url, max_connections=2) as connections,
        PostgresEventStore(connections, 1, max_waiting=10) as store,
    ):
        await store.append(append_of(uuid.uuid4(), events=2, request="r-1"))
    return rows(database)


def rows(database: WriteDatabase) -> list[TupleRow]:
    with psycopg.connect(database.service_url) as connection:
        return connection.execute("SELECT * FROM event_store ORDER BY position").fetchall()


def allowed(url: str, statements: list[str]) -> list[str]:
    """Those of the statements that a role may execute."""
    return [each for each in statements if not _refused(url, each)]


def _refused(url: str, statement: str) -> bool:
    try:
        execute(url, statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


async def test_nobody_can_change_or_remove_an_event(write_database: WriteDatabase) -> None:
    before = await appended(write_database)
    assert len(before) == 2
    assert allowed(write_database.service_url, CHANGES) == []
    assert allowed(write_database.owner_url, CHANGES) == []
    assert rows(write_database) == before


async def test_the_service_can_only_do_what_it_does(write_database: WriteDatabase) -> None:
    assert allowed(write_database.service_url, NOT_FOR_THE_SERVICE) == []


async def test_the_database_itself_keeps_versions_unique_and_positive(write_database: WriteDatabase) -> None:
    await appended(write_database)
    with pytest.raises(psycopg.errors.UniqueViolation, match="event_store_aggregate_version_key"):
        execute(write_database.service_url, _COPY)
    with pytest.raises(psycopg.errors.CheckViolation):
        execute(
            write_database.service_url,
            _COPY.replace("SELECT log_shard", "SELECT DISTINCT log_shard").replace(
                "aggregate_type, version, event_type, event_data, metadata, created_at FROM",
                "aggregate_type, -version, event_type, event_data, metadata, created_at FROM",
            ),
        )


def test_migrating_again_changes_nothing(empty_database: WriteDatabase) -> None:
    migrate(empty_database.owner_url, empty_database.service_url)
    once = described(empty_database)
    assert all(once)
    migrate(empty_database.owner_url, empty_database.service_url)
    assert described(empty_database) == once


def test_four_processes_that_migrate_at_once_make_the_schema_once(
    empty_database: WriteDatabase, write_database: WriteDatabase
) -> None:
    urls = [empty_database.owner_url, empty_database.service_url]
    processes = [
        subprocess.Popen([sys.executable, "-c", _MIGRATE, *urls], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for each in processes:
        _, errors = each.communicate(timeout=40)
        assert (each.returncode, errors) == (0, "")
    assert described(empty_database) == described(write_database)


def test_a_migration_that_fails_leaves_nothing_behind_and_can_be_repeated(empty_database: WriteDatabase) -> None:
    execute(empty_database.owner_url, "CREATE TABLE relay_topic (in_the_way int)")
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(empty_database.owner_url, empty_database.service_url)
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(empty_database)
    execute(empty_database.owner_url, "DROP TABLE relay_topic")
    migrate(empty_database.owner_url, empty_database.service_url)
    assert rows(empty_database) == []


@pytest.fixture
def difficult_owner(empty_database: WriteDatabase) -> Iterator[WriteDatabase]:
    """The database with an owner whose name and password no careless hand puts into a URL."""
    name, password = f"Owner {uuid.uuid4().hex[:8]} @/:", "p@ss:w/o%?#rd &='"
    role = sql.Identifier(name)
    owns = empty_database.owner_url
    with psycopg.connect(owns, autocommit=True) as connection:
        create = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
        connection.execute(create.format(role, sql.Literal(password)))
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role))
    host = urlsplit(owns).netloc.rpartition("@")[2]
    url = f"postgres://{quote(name, safe='')}:{quote(password, safe='')}@{host}/{empty_database.name}?connect_timeout=5"
    yield WriteDatabase(empty_database.name, url, empty_database.service_url)
    with psycopg.connect(owns, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_every_url_that_postgresql_takes_is_taken(difficult_owner: WriteDatabase) -> None:
    migrate(difficult_owner.owner_url, difficult_owner.service_url)
    assert rows(difficult_owner) == []


def test_the_first_service_decides_on_the_number_of_shards(write_database: WriteDatabase) -> None:
    agree_on_shards(write_database.service_url, 4)
    agree_on_shards(write_database.service_url, 4)
    with pytest.raises(ShardCountMismatch, match="LOG_SHARDS is 1, but this log was made with 4"):
        agree_on_shards(write_database.service_url, 1)


async def test_of_services_that_start_at_once_with_other_numbers_only_one_number_passes(
    write_database: WriteDatabase,
) -> None:
    numbers = [1, 2, 3, 4] * 3
    outcomes = await asyncio.gather(
        *[asyncio.to_thread(agree_on_shards, write_database.service_url, each) for each in numbers],
        return_exceptions=True,
    )
    passed = {number for number, outcome in zip(numbers, outcomes, strict=True) if outcome is None}
    assert len(passed) == 1
    assert outcomes.count(None) == 3
    assert all(each is None or isinstance(each, ShardCountMismatch) for each in outcomes)


def test_a_shard_is_a_function_of_the_id_for_good() -> None:
    """Another function would look for an aggregate's events in a shard where they are not."""
    ids = [uuid.UUID("0d9f3b52-7c1e-4e0b-9a53-6f2f7f1d9c11"), uuid.UUID(int=2**128 - 1), uuid.UUID(int=0)]
    assert [shard_of(each, 1) for each in ids] == [0, 0, 0]
    assert [shard_of(each, 4) for each in ids] == [1, 3, 0]
    assert [shard_of(each, 1000) for each in ids] == [each.int % 1000 for each in ids]
