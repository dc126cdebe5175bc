"""When and how a streamed list or a watch that broke goes on."""

import random
from copy import deepcopy
from typing import Generic, Protocol, TypeVar

from orderflow_client.errors import NotVisibleYet, OrderflowError, TryLater

BREAKS_IN_A_ROW = 8
"""Breaks without a message in between after which the error is the caller's."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class Resumable(Protocol):
    """A request, or a message of the answer, of a stream that can be continued."""

    resume_token: str


AnyResumable = TypeVar("AnyResumable", bound=Resumable)


class Resumption(Generic[AnyResumable]):
    """The state of one stream over all of its calls.

    Args:
        endless: the server only ends the stream to be called again, as a watch's; otherwise an empty token says
            that nothing follows.
    """

    def __init__(self, request: AnyResumable, *, endless: bool) -> None:
        self.request = deepcopy(request)
        self._endless = endless
        self._complete = False
        self._breaks = 0

    def received(self, message: Resumable) -> None:
        """Goes on after this message."""
        self._breaks = 0
        self._complete = not self._endless and not message.resume_token
        if message.resume_token:
            self.request.resume_token = message.resume_token

    def ended(self) -> float | None:
        """Seconds to wait before the next call after the server ended the stream; None: it is complete."""
        return self._pause() if self._endless else None

    def broken(self, error: OrderflowError) -> float | None:
        """Seconds to wait before the next call after the stream broke; None: it is complete all the same.

        Raises:
            OrderflowError: the error itself, where another call would not help or did not too often.
        """
        if self._complete:
            return None
        if not isinstance(error, TryLater) or isinstance(error, NotVisibleYet) or self._breaks >= BREAKS_IN_A_ROW:
            raise error
        return max(self._pause(), error.retry_after or 0.0)

    def _pause(self) -> float:
        """Doubles with each break in a row; random, so that the clients of a server that died come back spread."""
        longest = min(_FIRST_PAUSE * 2**self._breaks, _LONGEST_PAUSE)
        self._breaks += 1
        return random.uniform(longest / 2, longest)  # noqa: S311
