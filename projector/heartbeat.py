"""When the loops that feed generations last went round: what still beats while the process hangs would be no heart."""

import time
from collections.abc import Callable


class Heartbeat:
    """Keeps each loop's last round; its methods may be called on any thread.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rounds: dict[str, float] = {}

    def beat(self, loop: str) -> None:
        """The loop begins another round."""
        self._rounds[loop] = self._clock()

    def end(self, loop: str) -> None:
        """The loop has ended in good order."""
        self._rounds.pop(loop, None)

    def age(self) -> float | None:
        """Seconds since the loop that has been silent for longest went round; None while there is no loop."""
        oldest = min(list(self._rounds.values()), default=None)
        return None if oldest is None else max(0.0, self._clock() - oldest)
