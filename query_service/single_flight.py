"""Does once what several ask for at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Flight(Generic[Answer]):
    doing: asyncio.Task[Answer]
    waiting: int = 0


class SingleFlight(Generic[Answer]):
    """Shares work by key: who asks while it is under way gets the answer of the same work.

    The work goes on when the one who began it gives up, and is cancelled when nobody waits for it any more.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[Answer]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def do(self, key: str, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer of the work under way, else of this work; whatever it raises, all who wait raise."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(work()))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.doing)
        finally:
            flight.waiting -= 1
            if flight.doing.done() or not flight.waiting:
                flight.doing.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]
