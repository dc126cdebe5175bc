"""What the relay leaves behind: its place in the log, and topics."""

import psycopg
from confluent_kafka.admin import AdminClient

from deploy.local.profile import Profile


def all_published(owner: "psycopg.Connection[psycopg.rows.TupleRow]") -> bool:
    """Whether the relay has passed the end of the log."""
    row = owner.execute(
        "SELECT position = (SELECT max(position) FROM event_store WHERE log_shard = 0) FROM relay_cursor"
        " WHERE log_shard = 0"
    ).fetchone()
    return row == (True,)


def remove_topics(prefix: str) -> None:
    """Deletes the topics whose names begin so."""
    admin = AdminClient({"bootstrap.servers": Profile("test").address("kafka")})
    made = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    if made:
        for removed in admin.delete_topics(made).values():
            removed.result(10)
