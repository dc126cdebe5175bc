"""One line a step on the terminal, with the seconds since the start."""

import threading
import time


class Progress:
    """Prints steps of work that runs in several threads; quiet for tests and for `down` after them."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def step(self, part: str, text: str) -> None:
        """Prints that `part` reached the point that `text` names."""
        if self._quiet:
            return
        with self._lock:
            print(f"{time.monotonic() - self._start:6.1f} s  {part:<20} {text}", flush=True)
