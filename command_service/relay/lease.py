"""A shard's cursor, and the lease that one relay holds on it, kept in the database and on its clock.

A row with an epoch, not a session lock: a frozen process keeps its session and so its lock, but not its lease.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from command_service.statements import statement

LEASE_SECONDS = 5.0
Connection = psycopg.Connection[TupleRow]


class LeaseLost(Exception):
    """Another relay has taken the shard over."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to move a shard's cursor, until it runs out or another epoch begins."""

    connection: Connection
    log_shard: int
    epoch: int
    position: int

    @classmethod
    def acquire(cls, connection: Connection, log_shard: int, holder: str) -> "Lease | None":
        """The shard's lease with the cursor's position; None while another relay holds it."""
        connection.execute("INSERT INTO relay_cursor (log_shard) VALUES (%s) ON CONFLICT DO NOTHING", [log_shard])
        arguments = {"log_shard": log_shard, "holder": holder, "lease_seconds": LEASE_SECONDS}
        row = connection.execute(statement("relay", "acquire"), arguments).fetchone()
        return cls(connection, log_shard, *row) if row else None

    def advance(self, position: int) -> None:
        """Moves the cursor to a position that every event up to it has been published of, and renews the lease.

        Raises:
            LeaseLost: the cursor belongs to another relay now.
        """
        arguments = {**self._key(), "position": position, "lease_seconds": LEASE_SECONDS}
        if self.connection.execute(statement("relay", "advance"), arguments).rowcount != 1:
            raise LeaseLost(f"shard {self.log_shard}: another relay holds it")

    def release(self) -> None:
        """Lets another relay take over at once."""
        self.connection.execute(statement("relay", "release"), self._key())

    def _key(self) -> dict[str, Any]:
        return {"log_shard": self.log_shard, "epoch": self.epoch}
