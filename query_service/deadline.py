"""The moment at which a call must be answered."""

import time
from typing import Self

from service_kit.grpc_layers import Context


class Deadline:
    """A call's deadline, as time that is left.

    Args:
        seconds: from now; None for a caller that waits for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @classmethod
    def of(cls, context: Context) -> Self:
        """The deadline that the client set."""
        return cls(context.time_remaining())

    def within(self, most: float) -> float:
        """Seconds that are left, at least zero and at most `most`."""
        return most if self._at is None else max(0.0, min(most, self._at - time.monotonic()))
