"""An index of Elasticsearch, as the query service reads it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, NotFoundError, TransportError
from opentelemetry import trace
from opentelemetry.semconv.attributes.db_attributes import DB_COLLECTION_NAME, DB_OPERATION_NAME, DB_SYSTEM_NAME
from opentelemetry.trace import SpanKind

from query_service.background import Background
from query_service.deadline import Deadline
from query_service.errors import ReadModelBusy, ReadModelUnavailable
from query_service.refreshing import refresh

KEEP_ALIVE_SECONDS = 180
_KEEP_ALIVE = f"{KEEP_ALIVE_SECONDS}s"
_CLOSE_SECONDS = 2.0


@dataclass(slots=True)
class PointInTime:
    """A frozen state of the index, which Elasticsearch keeps until it is closed or left alone for three minutes.

    Args:
        id: the newest one that Elasticsearch gave; each search may give another.
    """

    id: str
    open_time: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is stored.

    Args:
        source: its fields that were asked for.
        generation: of the index that it is in.
    """

    source: Mapping[str, Any]
    generation: int


class Index:
    """Reads the index of a read model; every call is bounded by its deadline and leaves a span.

    A call that is cancelled is ended in Elasticsearch, too, except that a point in time is always closed.

    Args:
        alias: names the index of the current generation, `{alias}-000001` for the first.
        call_seconds: longest time for one call.
    """

    def __init__(self, client: AsyncElasticsearch, alias: str, *, call_seconds: float) -> None:
        self.alias = alias
        self._name = alias.rpartition("-")[2]
        self._client = client
        self._call_seconds = call_seconds
        self._background = Background()
        self._tracer = trace.get_tracer("query_service.index")

    async def check(self) -> None:
        """Raises while it cannot be searched; a search would say so, too, while others keep it waiting.

        Raises:
            ReadModelUnavailable: a part of the index is not there.
        """
        health = await self._client.cluster.health(index=self.alias, timeout="500ms")
        if health["timed_out"] or health["status"] == "red":
            raise ReadModelUnavailable(f"the index of {self._name} is not wholly there")

    async def stored(self, document_id: str, deadline: Deadline) -> Stored | None:
        """The newest view and `project_time_us`, also of what no search finds yet; None where there is none.

        Raises:
            ReadModelUnavailable: as every method of this class.
        """
        async with self._call("get", deadline):
            try:
                found = await self._client.get(
                    index=self.alias, id=document_id, source_includes=["view", "project_time_us"]
                )
            except NotFoundError as error:
                if isinstance(error.body, Mapping) and error.body.get("found") is False:
                    return None
                raise
        return Stored(found["_source"], int(found["_index"].rpartition("-")[2]))

    async def refresh(self, deadline: Deadline) -> None:
        """Makes visible to searches what was written so far."""
        async with self._call("indices.refresh", deadline):
            await refresh(self._client, self.alias)

    async def open(self, deadline: Deadline) -> PointInTime:
        """A new point in time; the caller closes it. One that comes when nobody waits for it any more is closed."""
        opening = self._background.start(self._opened())
        try:
            async with self._call("open_point_in_time", deadline):
                return await asyncio.shield(opening)
        except (asyncio.CancelledError, ReadModelUnavailable):
            self._background.start(self._close_when_opened(opening))
            raise

    async def close(self, point: PointInTime) -> None:
        """Lets go of a point in time, also when the caller is cancelled meanwhile.

        Where that fails, Elasticsearch forgets it by itself.
        """
        await asyncio.shield(self._background.start(self._close(point)))

    async def finish(self) -> None:
        """Returns when every point in time that was let go of is closed; for a process that stops."""
        await self._background.finish()

    async def _opened(self) -> PointInTime:
        open_time = datetime.now(UTC)
        async with asyncio.timeout(self._call_seconds):
            opened = await self._client.open_point_in_time(index=self.alias, keep_alive=_KEEP_ALIVE)
        return PointInTime(opened["id"], open_time)

    async def _close_when_opened(self, opening: asyncio.Task[PointInTime]) -> None:
        with suppress(ApiError, TransportError, TimeoutError):
            await self._close(await opening)

    async def _close(self, point: PointInTime) -> None:
        try:
            async with self._call("close_point_in_time", Deadline(_CLOSE_SECONDS)):
                with suppress(NotFoundError):  # forgotten already
                    await self._client.close_point_in_time(id=point.id)
        except ReadModelUnavailable:
            return

    async def is_open(self, point: PointInTime, deadline: Deadline) -> bool:
        """True when the point in time can still be read; it then lives on for another three minutes."""
        async with self._call("search", deadline):
            try:
                await self._search(point, {"size": 0, "track_total_hits": False})
            except NotFoundError:
                return False
        return True

    async def search(self, point: PointInTime, request: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        """The answer to a search in a point in time, of all shards or none."""
        async with self._call("search", deadline):
            return await self._search(point, request)

    async def _search(self, point: PointInTime, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._client.search(
            pit={"id": point.id, "keep_alive": _KEEP_ALIVE}, allow_partial_search_results=False, **request
        )
        point.id = answer["pit_id"]
        return cast("dict[str, Any]", answer.body)

    @asynccontextmanager
    async def _call(self, operation: str, deadline: Deadline) -> AsyncIterator[None]:
        attributes = {
            DB_SYSTEM_NAME: "elasticsearch",
            DB_COLLECTION_NAME: self.alias,
            DB_OPERATION_NAME: operation,
        }
        name = f"{operation} {self.alias}"
        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
            try:
                async with asyncio.timeout(deadline.within(self._call_seconds)):
                    yield
            except BadRequestError:
                raise
            except (ApiError, TransportError, TimeoutError) as error:
                if isinstance(error, ApiError) and error.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    raise ReadModelBusy(f"the index of {self._name} is asked for more than it can do") from error
                raise ReadModelUnavailable(
                    f"the index of {self._name} did not answer ({type(error).__name__})"
                ) from error
