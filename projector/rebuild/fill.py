"""Folds the event log into the documents of a generation that nobody else writes to.

Views are folded in memory and written once they have not changed for a while, so that an order whose events lie
close together in the log costs one write. Where later events come after all, the view is read back. A customer is
looked up once: its later changes were published after the offsets that the generation goes on from were noted. An
order with an event that cannot be folded is set aside, and folded once more by itself when all others are done.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog
from elasticsearch import AsyncElasticsearch

from orderflow.customers.v1 import customer_pb2
from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import views_pb2
from projector.bulk import ANY, Write, write_in_bulk
from projector.customers import Customers
from projector.documents import Views
from projector.elasticsearch_errors import as_outage
from projector.errors import (
    DocumentRejected,
    EventsMissing,
    Outage,
    ReadModelAway,
    Undecodable,
    Unfoldable,
    Unprojectable,
)
from projector.events import OrderEvent, Subject, event_of
from projector.generations import Generation
from projector.patience import Patience
from projector.projection import NO_SKIPS
from projector.quarantine import Quarantine
from projector.rebuild.log_reader import ShardReader
from projector.replays import Replays
from read_models.read_model import ReadModel

_DOCUMENTS_A_WRITE = 1000
_WRITES_AT_ONCE = 3
_CUSTOMERS_KEPT = 100_000
_log = structlog.get_logger("projector")


class Fill:
    """Fills a generation; each method raises Outage when the process is to stop.

    Args:
        quarantine: the generation's.
        replays: of the generation.
        window: how many views are folded in memory at once, over all shards.
    """

    def __init__(
        self,
        read_model: ReadModel,
        elasticsearch: AsyncElasticsearch,
        generation: Generation,
        customers: Customers,
        patience: Patience,
        *,
        quarantine: Quarantine,
        replays: Replays,
        window: int,
        now_us: Callable[[], int],
    ) -> None:
        self._read_model = read_model
        self._elasticsearch = elasticsearch
        self._generation = generation
        self._customers = customers
        self._quarantine = quarantine
        self._replays = replays
        self._patience = patience
        self._window = window
        self._now_us = now_us
        self._known: dict[str, customer_pb2.Customer | None] = {}
        self.unfolded: set[str] = set()
        """Orders with an event that cannot be folded; each one's document stays as it was before."""
        self._skips = NO_SKIPS

    async def run(self, shards: Sequence[ShardReader]) -> None:
        """Folds the shards whole, all at once; quarantines what cannot be folded."""
        await self._patience.until_done(self._quarantine.load)
        self._skips = self._quarantine.skips("order")
        try:
            async with asyncio.TaskGroup() as group:
                for shard in shards:
                    group.create_task(self._fold_shard(shard, max(1, self._window // len(shards))))
        finally:
            for shard in shards:
                shard.close()
        self.unfolded = {id_ for id_ in self.unfolded if await self._replays.set_aside(id_)}

    async def _fold_shard(self, shard: ShardReader, window: int) -> None:
        views: OrderedDict[str, views_pb2.OrderView] = OrderedDict()
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

    def _written(
        self, events: Sequence[event_log_pb2.RecordedEvent], views: Mapping[str, views_pb2.OrderView]
    ) -> AbstractSet[str]:
        """The orders that the events go on with and whose views are not in memory any more."""
        begun: set[str] = set()
        later: set[str] = set()
        for each in events:
            id_ = each.aggregate_id
            if each.version == 1:
                begun.add(id_)
            elif id_ not in views and id_ not in self.unfolded:
                later.add(id_)
        return later - begun

    def _fold(
        self, events: Sequence[event_log_pb2.RecordedEvent], views: OrderedDict[str, views_pb2.OrderView]
    ) -> None:
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

    def _evolved(self, view: views_pb2.OrderView | None, recorded: event_log_pb2.RecordedEvent) -> views_pb2.OrderView:
        version = view.version if view else 0
        if view is not None and recorded.version <= version:
            return view
        if recorded.version > version + 1:
            raise EventsMissing(f"version {recorded.version} follows {version}")
        if view is not None and recorded.version in self._skips.get(recorded.aggregate_id, ()):
            return self._read_model.pass_over(view, recorded.version)
        event = event_of(Subject("order", recorded.aggregate_id, recorded.version), recorded)
        if not isinstance(event, OrderEvent):
            raise Undecodable("it is no event of an order known here")
        try:
            return self._read_model.evolve(view, event.event, recorded.version)
        except Exception as error:
            raise Unfoldable(f"version {recorded.version} cannot be folded: {type(error).__name__}") from error

    async def _read(self, ids: AbstractSet[str]) -> Views:
        with as_outage():
            response = await self._elasticsearch.mget(
                index=self._generation.writers, ids=list(ids), source_includes=["view"]
            )
        if failed := [found["error"] for found in response["docs"] if "error" in found]:
            raise ReadModelAway(failed[0]["type"])
        return {
            found["_id"]: self._read_model.view_of(found["_source"]) for found in response["docs"] if found["found"]
        }

    async def _write(self, views: Views) -> None:
        customers = await self._look_up({view.customer_id for view in views.values()})
        now = self._now_us()
        left: dict[str, Mapping[str, Any]] = {}
        for id_, view in views.items():
            enriched = self._read_model.enrich(view, customers[view.customer_id])
            try:
                left[id_] = self._read_model.document(enriched, project_time_us=now)
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

    async def _look_up(self, ids: AbstractSet[str]) -> Mapping[str, customer_pb2.Customer | None]:
        known = {id_: self._known[id_] for id_ in ids if id_ in self._known}
        if unknown := ids - known.keys():
            found = await self._patience.until_done(partial(self._customers.get, unknown))
            known.update({id_: found.get(id_) for id_ in unknown})
            if len(self._known) > _CUSTOMERS_KEPT:
                self._known.clear()
            self._known.update({id_: known[id_] for id_ in unknown})
        return known

    def _leave(self, id_: str, failure: Unprojectable) -> None:
        _log.error("left as it was before", aggregate_id=id_, cause=f"{type(failure).__name__}: {failure}")
        self.unfolded.add(id_)


class _Writes:
    """A few writes at once; more have to wait."""

    def __init__(self, write: Callable[[Views], Awaitable[None]]) -> None:
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

    async def add(self, views: Views) -> None:
        """Begins a write, as soon as there is room for one."""
        await self._room.acquire()
        self._group.create_task(self._written(views))

    async def drain(self) -> None:
        """Returns when all of them have ended."""
        for _ in range(_WRITES_AT_ONCE):
            await self._room.acquire()
        for _ in range(_WRITES_AT_ONCE):
            self._room.release()

    async def _written(self, views: Views) -> None:
        try:
            await self._write(views)
        finally:
            self._room.release()


def _oldest(views: OrderedDict[str, views_pb2.OrderView]) -> Views:
    """Takes out those that have not changed for the longest time."""
    return dict(views.popitem(last=False) for _ in range(min(_DOCUMENTS_A_WRITE, len(views))))
