"""Sessions of a database, ended by its server."""

import psycopg

from tests.integration.conftest import WriteDatabase


async def kill_sessions(database: WriteDatabase, state: str) -> int:
    """Ends the services' sessions that are in a state, `waiting` or `idle`, or `any`; how many."""
    query = """
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
          AND CASE %s WHEN 'waiting' THEN wait_event_type = 'Lock' WHEN 'idle' THEN state = 'idle' ELSE true END
    """
    async with await psycopg.AsyncConnection.connect(database.service_url, autocommit=True) as connection:
        row = await (await connection.execute(query, [state])).fetchone()
    assert row is not None
    return int(row[0])
