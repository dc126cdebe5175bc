"""Somebody's work on a generation: it tells by a beat that it goes on, so that others need not clear up after it."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from orderflow.admin.v1 import rebuild_pb2 as pb
from projector.errors import Outage
from projector.generations import Generation, Generations

_BEAT_SECONDS = 1.0
_log = structlog.get_logger("projector")
Returned = TypeVar("Returned")


class Claim:
    """Keeps a generation's metadata while it is worked on.

    Args:
        rebuild: how far the work is; None where it is no rebuild, and the generation keeps what it says.
    """

    def __init__(
        self, generations: Generations, generation: Generation, rebuild: Callable[[], pb.Rebuild] | None = None
    ) -> None:
        self.generation = generation
        self._generations = generations
        self._rebuild = rebuild
        self._saving = asyncio.Lock()

    async def save(self, **changes: Any) -> None:
        """Keeps what has changed about the generation, and beats; a rebuild that is given is the last word on it.

        Raises:
            GenerationLost: others took this process for dead, and deleted it.
            ReadModelAway: Elasticsearch is.
        """
        async with self._saving:
            if "rebuild" in changes:
                self._rebuild = None
            elif self._rebuild is not None:
                changes["rebuild"] = self._rebuild()
            self.generation = replace(self.generation, beat=uuid.uuid4().hex, **changes)
            await self._generations.save(self.generation)

    async def during(self, work: Coroutine[Any, Any, Returned]) -> Returned:
        """What the work answers; ends it when the generation is lost.

        Raises:
            GenerationLost: see above.
        """
        working, beating = asyncio.create_task(work), asyncio.create_task(self._beat())
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await beating
            return await working
        finally:
            for each in (working, beating):
                each.cancel()
            await asyncio.gather(working, beating, return_exceptions=True)

    async def settle(self) -> None:
        """Ends the work as others would if this process died: what is unfinished is deleted.

        Raises:
            ReadModelAway: Elasticsearch is.
        """
        for each in await self._generations.all():
            if each.writers == self.generation.writers:
                await self._generations.settle(each)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            try:
                await self.save()
            except Outage as outage:
                _log.warning("progress not kept", index=self.generation.index, cause=str(outage))
