"""Rewraps all keys by the present master key, while servers go on."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from command_service.personal_data.master_keys import MasterKeys
from command_service.statements import statement
from service_kit import fail_points

_BATCH = 500


def rewrap(url: str, master_keys: MasterKeys) -> int:
    """Rewraps in batches, each in one transaction, and forgets master keys that wrap nothing any more; how many keys.

    It can be cut short and run again, and several can run at once. What is sealed stays as it is: only the keys are
    wrapped anew.

    Raises:
        UnknownMasterKey: a key is wrapped by a master key that was not given.
        psycopg.Error: the database is away.
    """
    rewrapped = 0
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        while batch := _rewrap_some(connection, master_keys):
            rewrapped += batch
            fail_points.reach("rotation.batch")
        connection.execute(statement("personal_data", "retire"), {"master_key_id": master_keys.id})
    return rewrapped


def in_use(url: str) -> Sequence[str]:
    """The ids of the master keys that keys are, or may be, wrapped by."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        rows = connection.execute("SELECT master_key_id FROM personal_data_master_key ORDER BY created_at")
        return [row[0] for row in rows]


def _rewrap_some(connection: "psycopg.Connection[TupleRow]", master_keys: MasterKeys) -> int:
    with connection.transaction():
        rows = connection.execute(
            statement("personal_data", "to_rewrap"), {"master_key_id": master_keys.id, "limit": _BATCH}
        ).fetchall()
        if rows:
            wrapped = [
                master_keys.wrap(master_keys.unwrap(old, key_id, customer_id, master_key_id), key_id, customer_id)
                for key_id, customer_id, old, master_key_id in rows
            ]
            arguments = {
                "key_ids": [row[0] for row in rows],
                "wrapped_keys": wrapped,
                "master_key_id": master_keys.id,
            }
            connection.execute(statement("personal_data", "rewrap"), arguments)
    return len(rows)
