"""Which master keys a database's keys are wrapped by: a process without them must not start."""

import psycopg

from command_service.personal_data.master_keys import MasterKeys


class MasterKeyMissing(Exception):
    """Keys in the database may be wrapped by a master key that this process was not given."""


def agree_on_master_keys(url: str, master_keys: MasterKeys) -> None:
    """Records the master key that wraps from now on; returns if all that the database relies on are there.

    Raises:
        MasterKeyMissing: see there.
        psycopg.Error: the database is away or has no schema yet.
    """
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        relied_on = {row[0] for row in connection.execute("SELECT master_key_id FROM personal_data_master_key")}
        if missing := relied_on - set(master_keys):
            raise MasterKeyMissing(
                f"PERSONAL_DATA_MASTER_KEY is the master key {master_keys.id}, but keys of this database are wrapped "
                f"by {', '.join(sorted(missing))}, which is not among PERSONAL_DATA_FORMER_MASTER_KEYS either"
            )
        connection.execute(
            "INSERT INTO personal_data_master_key (master_key_id) VALUES (%s) ON CONFLICT DO NOTHING", [master_keys.id]
        )
