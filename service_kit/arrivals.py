"""Lets things that arrive at about the same moment share a round trip, without a timer."""

import asyncio
from collections.abc import Callable

_QUIET_PASSES = 8


async def arrived(waiting: Callable[[], int], *, enough: int) -> None:
    """Returns when the event loop has passed a few times without bringing another, or when enough wait or none does.

    A round trip costs as much as many of those that share it, and a call takes a few passes from its arrival to where
    it waits. A loop with nothing else to do makes them in microseconds.

    Args:
        waiting: how many wait now.
    """
    quiet = 0
    while 0 < (before := waiting()) < enough and quiet < _QUIET_PASSES:
        await asyncio.sleep(0)
        quiet = 0 if waiting() > before else quiet + 1
