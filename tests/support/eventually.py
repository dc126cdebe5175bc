"""Waits for conditions of other processes: asks again and again until one holds or the time is up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")
_PAUSE_SECONDS = 0.05


async def eventually(ask: Callable[[], Awaitable[Found | None]], *, within: float = 30.0, what: str = "it") -> Found:
    """What `ask` answers as soon as that is not None and not False.

    Raises:
        AssertionError: the time is up; an AssertionError of `ask` counts as "not yet" and is its cause.
    """
    deadline = time.monotonic() + within
    failure: AssertionError | None = None
    while True:
        try:
            found = await ask()
        except AssertionError as error:
            found, failure = None, error
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {within:.0f} s") from failure
        await asyncio.sleep(_PAUSE_SECONDS)
