"""Spares a neighbor that fails, and whoever would wait for it, calls that would most likely fail as well."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from projector.errors import Outage

_log = structlog.get_logger("projector")


class CircuitBreaker:
    """Lets no calls through for a while after several in a row have failed; then one, whose outcome decides.

    Args:
        name: of the neighbor, for the log.
        away: what is raised instead of a call.
        failures: how many in a row open it.
        pause_seconds: between calls while it is open.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        away: type[Outage],
        *,
        failures: int,
        pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._away = away
        self._most_failures = failures
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._failures = 0
        self._next_try = 0.0

    def check(self) -> None:
        """Returns when a call would be let through.

        Raises:
            Outage: as given; it would not.
        """
        if self._is_open() and self._clock() < self._next_try:
            raise self._away(f"{self._name} is spared")

    @contextmanager
    def call(self) -> Iterator[None]:
        """Surrounds a call; an Outage that leaves it is a failure, and whatever else happens says nothing.

        Raises:
            Outage: as given; the call is not let through.
        """
        self.check()
        self._next_try = self._clock() + self._pause_seconds  # while it is open, others wait for this one's outcome
        try:
            yield
        except Outage:
            self._failures += 1
            self._next_try = self._clock() + self._pause_seconds
            if self._failures == self._most_failures:
                _log.warning("neighbor away", neighbor=self._name)
            raise
        if self._is_open():
            _log.info("neighbor back", neighbor=self._name)
        self._failures = 0

    def _is_open(self) -> bool:
        return self._failures >= self._most_failures
