"""Work that goes on when the call that began it is cancelled: giving back what was taken for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Background:
    """Holds tasks of which nobody else may keep a reference."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Begins the work, which must bound its own time. What it raises is for who awaits the task; somebody must."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Returns when all work that was begun has ended, also what that began."""
        while self._tasks:
            await asyncio.wait(self._tasks)
