"""A service as people start it: a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def started(
    module: str, settings: dict[str, Any], **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process of a module that `python -m` runs; killed at the end if it still runs.

    Args:
        settings: by their names in lower case.
    """
    own = {name.upper(): str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={**os.environ, **own, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
