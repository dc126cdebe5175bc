"""The orders that are open and when to look at them, in the database, so that several processes share them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow

from command_service.event_store.database import Database
from command_service.statements import statement

_ROOM = "fulfillment"


@dataclass(frozen=True, slots=True)
class Hint:
    """An order of which something has happened.

    Args:
        trace: `traceparent` and `tracestate` of what happened.
    """

    order_id: UUID
    trace: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right, for a while, to be the one that looks at an order. Others that look all the same do no harm.

    Args:
        hints: how many there were by then.
    """

    order_id: UUID
    hints: int
    leased_until: datetime
    trace: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is open at one step.

    Args:
        overdue_seconds: for how long the order that is most overdue should have been looked at.
    """

    step: str
    orders: int
    overdue_seconds: float


class OpenFulfillments:
    """Rows are hints; every method raises StoreUnavailable while the database is away."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease_seconds = lease.total_seconds()

    async def now(self) -> datetime:
        """The present moment on the database's clock, on which deadlines are."""
        rows = await self._rows("SELECT clock_timestamp()", {})
        moment: datetime = rows[0][0]
        return moment

    async def open(self, hints: Sequence[Hint]) -> None:
        """Has orders looked at now, whether or not they are known; each at most once in `hints`."""
        await self._execute("open", _arguments(hints))

    async def nudge(self, hints: Sequence[Hint]) -> None:
        """Has those of the orders looked at now that are open."""
        await self._execute("nudge", _arguments(hints))

    async def claim(self, limit: int) -> list[Claim]:
        """Some orders that are due, which nobody else claims until the lease has run out."""
        rows = await self._rows(statement(_ROOM, "claim"), {"limit": limit, "lease_seconds": self._lease_seconds})
        return [
            Claim(order_id, hints, until, {"traceparent": parent, "tracestate": state})
            for order_id, hints, until, parent, state in rows
        ]

    async def settle(self, claim: Claim, step: str | None, due: datetime | timedelta) -> None:
        """Gives an order back until then, or for so long; if a hint came meanwhile, until now.

        Args:
            step: where it is; None where that is not known, or as before.
        """
        at = due if isinstance(due, datetime) else None
        seconds = due.total_seconds() if isinstance(due, timedelta) else 0.0
        arguments = {
            "order_id": claim.order_id,
            "leased_until": claim.leased_until,
            "hints": claim.hints,
            "step": step,
            "due": at,
            "in_seconds": seconds,
        }
        await self._execute("settle", arguments)

    async def close(self, claim: Claim) -> None:
        """Forgets an order that is finished."""
        await self._execute("close", {"order_id": claim.order_id, "leased_until": claim.leased_until})

    async def figures(self) -> list[Figures]:
        """What is open, by step; steps at which nothing is are left out."""
        return [Figures(*row) for row in await self._rows(statement(_ROOM, "figures"), {})]

    async def _execute(self, name: str, arguments: Mapping[str, Any]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(statement(_ROOM, name), arguments)

    async def _rows(self, query: Any, arguments: Mapping[str, Any]) -> list[TupleRow]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(query, arguments)
            return await cursor.fetchall()


def _arguments(hints: Sequence[Hint]) -> Mapping[str, Any]:
    return {
        "order_ids": [each.order_id for each in hints],
        "traceparents": [each.trace[0] for each in hints],
        "tracestates": [each.trace[1] for each in hints],
    }
