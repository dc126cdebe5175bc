"""Folds the event log into the documents of a generation that nobody else writes to.

Views are folded in memory and written once they have not changed for a while, so that an aggregate whose events lie
close together in the log costs one write. Where later events come after all, the view is read back. An aggregate
with an event that cannot be folded is set aside, and folded once more by itself when all others are done.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias

import structlog
from elasticsearch import AsyncElasticsearch

from orderflow.events.v1 import event_log_pb2
from projector.aggregate_projection import NO_SKIPS
from projector.bulk import ANY, Write, write_in_bulk
from projector.documents import Views
from projector.elasticsearch_errors import as_outage
from projector.errors import (
    DocumentRejected,
    EventsMissing,
    Outage,
    ReadModelAway,
    Unprojectable,
)
from projector.events import Subject, event_of
from projector.folding import evolved
from projector.generations import Generation
from projector.patience import Patience
from projector.quarantine import Quarantine
from projector.rebuild.log_reader import ShardReader
from projector.replays import Replays
from read_models.read_model import AnyView, ReadModel

_DOCUMENTS_A_WRITE = 1000
_WRITES_AT_ONCE = 3
_log = structlog.get_logger("projector")


Completed: TypeAlias = Callable[[Views[AnyView]], Awaitable[Views[AnyView]]]
"""The views with what the log of their aggregates does not say; raises Outage when the process is to stop."""


class Fill(Generic[AnyView]):
    """Fills a generation; each method raises Outage when the process is to stop.

    Args:
        completed: applied before views are written.
        quarantine: the generation's.
        replays: of the generation.
        window: how many views are folded in memory at once, over all shards.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        elasticsearch: AsyncElasticsearch,
        generation: Generation,
        patience: Patience,
        *,
        completed: Completed[AnyView],
        quarantine: Quarantine,
        replays: Replays,
        window: int,
        now_us: Callable[[], int],
    ) -> None:
        self._read_model = read_model
        self._elasticsearch = elasticsearch
        self._generation = generation
        self._completed = completed
        self._quarantine = quarantine
        self._replays = replays
        self._patience = patience
        self._window = window
        self._now_us = now_us
        self.unfolded: set[str] = set()
        """Aggregates with an event that cannot be folded; each one's document stays as it was before."""
        self._skips = NO_SKIPS

    async def run(self, shards: Sequence[ShardReader]) -> None:
        """Folds the shards whole, all at once; quarantines what cannot be folded."""
        await self._patience.until_done(self._quarantine.load)
        self._skips = self._quarantine.skips(self._read_model.aggregate.type)
        try:
            async with asyncio.TaskGroup() as group:
                for shard in shards:
                    group.create_task(self._fold_shard(shard, max(1, self._window // len(shards))))
        finally:
            for shard in shards:
                shard.close()
        self.unfolded = {id_ for id_ in self.unfolded if await self._replays.set_aside(id_)}

    async def _fold_shard(self, shard: ShardReader, window: int) -> None:
        views: OrderedDict[str, AnyView] = OrderedDict()
        async with _Writes(self._write) as writes:
            while (events := await self._patience.until_done(shard.next)) is not None:
                if written := self._written(events, views):
                    await writes.drain()
                    views.update(await self._patience.until_done(partial(self._read, written)))
                self._fold(events, views)
                while len(views) > window:
                    await writes.add(_oldest(views))
            while views:
                await writes.add(_oldest(views))

    def _written(self, events: Sequence[event_log_pb2.RecordedEvent], views: Mapping[str, AnyView]) -> AbstractSet[str]:
        """The aggregates that the events go on with and whose views are not in memory any more."""
        begun: set[str] = set()
        later: set[str] = set()
        for each in events:
            id_ = each.aggregate_id
            if each.version == 1:
                begun.add(id_)
            elif id_ not in views and id_ not in self.unfolded:
                later.add(id_)
        return later - begun

    def _fold(self, events: Sequence[event_log_pb2.RecordedEvent], views: OrderedDict[str, AnyView]) -> None:
        for recorded in events:
            id_ = recorded.aggregate_id
            if id_ in self.unfolded:
                continue
            try:
                views[id_] = self._evolved(views.get(id_), recorded)
            except Unprojectable as failure:
                self._leave(id_, failure)
            else:
                views.move_to_end(id_)

    def _evolved(self, view: AnyView | None, recorded: event_log_pb2.RecordedEvent) -> AnyView:
        version = view.version if view else 0
        if view is not None and recorded.version <= version:
            return view
        if recorded.version > version + 1:
            raise EventsMissing(f"version {recorded.version} follows {version}")
        if view is not None and recorded.version in self._skips.get(recorded.aggregate_id, ()):
            return self._read_model.pass_over(view, recorded.version)
        subject = Subject(self._read_model.aggregate, recorded.aggregate_id, recorded.version)
        return evolved(self._read_model, view, event_of(subject, recorded))

    async def _read(self, ids: AbstractSet[str]) -> Views[AnyView]:
        with as_outage():
            response = await self._elasticsearch.mget(
                index=self._generation.writers, ids=list(ids), source_includes=["view"]
            )
        if failed := [found["error"] for found in response["docs"] if "error" in found]:
            raise ReadModelAway(failed[0]["type"])
        return {
            found["_id"]: self._read_model.view_of(found["_source"]) for found in response["docs"] if found["found"]
        }

    async def _write(self, views: Views[AnyView]) -> None:
        whole = await self._completed(views)
        now = self._now_us()
        left: dict[str, Mapping[str, Any]] = {}
        for id_, view in whole.items():
            try:
                left[id_] = self._read_model.document(view, project_time_us=now)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is about this view
                self._leave(id_, DocumentRejected(f"no document can be made of it: {type(error).__name__}"))

        async def attempt() -> None:
            writes = [Write(id_, document, ANY) for id_, document in left.items()]
            generation = self._generation
            results = await write_in_bulk(self._elasticsearch, generation.index, writes, {}, writers=generation.writers)
            outages = {id_: each for id_, each in results.items() if isinstance(each, Outage)}
            for id_, each in results.items():
                if isinstance(each, DocumentRejected):
                    self._leave(id_, each)
                if id_ not in outages:
                    del left[id_]
            if outages:
                raise next(iter(outages.values()))

        await self._patience.until_done(attempt)

    def _leave(self, id_: str, failure: Unprojectable) -> None:
        _log.error("left as it was before", aggregate_id=id_, cause=f"{type(failure).__name__}: {failure}")
        self.unfolded.add(id_)


class _Writes(Generic[AnyView]):
    """A few writes at once; more have to wait."""

    def __init__(self, write: Callable[[Views[AnyView]], Awaitable[None]]) -> None:
        self._write = write
        self._group = asyncio.TaskGroup()
        self._room = asyncio.Semaphore(_WRITES_AT_ONCE)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, traceback)

    async def add(self, views: Views[AnyView]) -> None:
        """Begins a write, as soon as there is room for one."""
        await self._room.acquire()
        self._group.create_task(self._written(views))

    async def drain(self) -> None:
        """Returns when all of them have ended."""
        for _ in range(_WRITES_AT_ONCE):
            await self._room.acquire()
        for _ in range(_WRITES_AT_ONCE):
            self._room.release()

    async def _written(self, views: Views[AnyView]) -> None:
        try:
            await self._write(views)
        finally:
            self._room.release()


def _oldest(views: OrderedDict[str, AnyView]) -> Views[AnyView]:
    """Takes out those that have not changed for the longest time."""
    return dict(views.popitem(last=False) for _ in range(min(_DOCUMENTS_A_WRITE, len(views))))
