"""Reads a shard of the log, and while what it read is being sent, already what follows."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self

from psycopg.rows import TupleRow

from command_service.relay.lease import Connection
from command_service.statements import statement

BATCH = 1000


class LogTail:
    """Has a connection and a thread of its own; only one thread may ask.

    Args:
        connect: opens a connection to the primary, in autocommit.
    """

    def __init__(self, connect: Callable[[], Connection], log_shard: int) -> None:
        self._connect = connect
        self._log_shard = log_shard
        self._ahead: tuple[int, Future[Sequence[TupleRow]]] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self._connection = resources.enter_context(self._connect())
            self._thread = resources.enter_context(ThreadPoolExecutor(1, thread_name_prefix="relay-log"))
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()  # waits for a read that is under way

    def after(self, position: int) -> Sequence[TupleRow]:
        """The rows of `read.sql` after a position, at most `BATCH`. As many mean that there may be more.

        Raises:
            psycopg.Error: the database is away.
        """
        rows = self._taken_ahead(position) or self._read(position)
        if len(rows) == BATCH:
            following = rows[-1][0]
            self._ahead = following, self._thread.submit(self._read, following)
        return rows

    def _taken_ahead(self, position: int) -> Sequence[TupleRow]:
        """What was read ahead from there; nothing where it was from elsewhere, or when there was nothing yet."""
        if self._ahead is None:
            return ()
        (begin, reading), self._ahead = self._ahead, None
        rows = reading.result()  # also when it is of no use: the connection is free only then
        return rows if begin == position else ()

    def _read(self, position: int) -> Sequence[TupleRow]:
        arguments = {"log_shard": self._log_shard, "after_position": position, "limit": BATCH}
        return self._connection.execute(statement("relay", "read"), arguments, prepare=True, binary=True).fetchall()
