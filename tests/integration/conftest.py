"""What a test gets for itself on the real servers: a migrated database, and topics under a name of its own."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg import sql

from command_service.event_store.database import Database
from command_service.event_store.schema import migrate
from deploy.local.profile import ADMIN_ROLE, APP_ROLE, OWNER_ROLE, Profile
from tests.support.servers import KAFKA_BROKERS

_PROFILE = Profile("test")
_CONNECTIONS = 10


@dataclass(frozen=True)
class WriteDatabase:
    """A database of the write side."""

    name: str
    owner_url: str = field(repr=False)
    service_url: str = field(repr=False)

    @classmethod
    def named(cls, name: str) -> "WriteDatabase":
        """The database of that name, whether or not it is there."""
        return cls(name, _PROFILE.database_url(OWNER_ROLE, name), _PROFILE.database_url(APP_ROLE, name))


@pytest.fixture(scope="session")
def template_database() -> Iterator[str]:
    """A migrated database that nobody is connected to; migrated once a session."""
    database = WriteDatabase.named(_new_name("template"))
    _create(database)
    migrate(database.owner_url, database.service_url)
    yield database.name
    _drop(database)


@pytest.fixture
def write_database(template_database: str) -> Iterator[WriteDatabase]:
    """A migrated database of the test's own."""
    with migrated_database(template_database) as database:
        yield database


@contextmanager
def migrated_database(template: str) -> Iterator[WriteDatabase]:
    """A database as new as its template."""
    database = WriteDatabase.named(_new_name("test"))
    _create(database, template)
    try:
        yield database
    finally:
        _drop(database)


@pytest.fixture
def empty_database() -> Iterator[WriteDatabase]:
    """A database of the test's own without a schema."""
    database = WriteDatabase.named(_new_name("empty"))
    _create(database)
    yield database
    _drop(database)


@pytest.fixture
async def database(write_database: WriteDatabase) -> AsyncIterator[Database]:
    """The services' connections to the test's own database."""
    async with Database(write_database.service_url, max_connections=_CONNECTIONS) as database:
        yield database


@pytest.fixture
def topic_prefix() -> Iterator[str]:
    """First part of the test's own topics, which are removed after it."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield prefix
    admin = AdminClient({"bootstrap.servers": KAFKA_BROKERS})
    made = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    if made:
        for removed in admin.delete_topics(made).values():
            removed.result(10)


def host_and_port(url: str) -> tuple[str, int]:
    """Where a database's server listens."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _new_name(kind: str) -> str:
    return f"orderflow_{kind}_{uuid.uuid4().hex[:12]}"


def _create(database: WriteDatabase, template: str = "template1") -> None:
    _administer(OWNER_ROLE, "CREATE DATABASE {} TEMPLATE {}", database.name, template)


def _drop(database: WriteDatabase) -> None:
    _administer(ADMIN_ROLE, "DROP DATABASE {} WITH (FORCE)", database.name)


def _administer(role: str, statement: "psycopg.abc.QueryNoTemplate", *names: str) -> None:
    with psycopg.connect(_PROFILE.database_url(role, "postgres"), autocommit=True, connect_timeout=5) as connection:
        connection.execute(sql.SQL(str(statement)).format(*map(sql.Identifier, names)))
