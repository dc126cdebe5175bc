"""A database of its own for a benchmark, on the test profile's server, with all durability on."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks.figures import Figure
from command_service.event_store.schema import migrate
from command_service.event_store.sharding import agree_on_shards
from deploy.local.profile import ADMIN_ROLE, APP_ROLE, OWNER_ROLE, Profile


@dataclass(frozen=True, slots=True)
class BenchDatabase:
    """The two logins' URLs."""

    url: str
    owner_url: str


@asynccontextmanager
async def bench_database() -> AsyncIterator[BenchDatabase]:
    """Made and migrated, dropped afterwards.

    Raises:
        RuntimeError: the server does not flush commits; its figures would mean nothing.
    """
    profile, name = Profile("test"), f"bench_{uuid.uuid4().hex[:12]}"
    admin = await psycopg.AsyncConnection.connect(profile.database_url(ADMIN_ROLE), autocommit=True)
    async with admin:
        for setting in ("fsync", "synchronous_commit"):
            row = await (await admin.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting)))).fetchone()
            if row != ("on",):
                raise RuntimeError(f"{setting} is {row}")
        await admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (name, OWNER_ROLE))))
        try:
            database = BenchDatabase(profile.database_url(APP_ROLE, name), profile.database_url(OWNER_ROLE, name))
            await asyncio.to_thread(migrate, database.owner_url, database.url)
            await asyncio.to_thread(agree_on_shards, database.url, 1)
            yield database
        finally:
            await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def on_a_database(measure: Callable[[BenchDatabase], Awaitable[Figure]]) -> Callable[[], Awaitable[Figure]]:
    """The measurement, on a database of its own."""

    async def measured() -> Figure:
        async with bench_database() as bench:
            return await measure(bench)

    return measured
