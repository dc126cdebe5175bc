"""A read model's documents in Elasticsearch, written whole and only over what was read: by compare-and-set."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias

import structlog
from cachetools import LRUCache
from elasticsearch import AsyncElasticsearch
from google.protobuf.message import DecodeError

from projector.bulk import State, Write, write_in_bulk
from projector.elasticsearch_errors import as_outage
from projector.errors import DocumentRejected, Outage, ReadModelAway
from projector.generations import Generation
from projector.patience import Patience
from projector.tracing import Spans
from read_models.read_model import AnyView, ReadModel

Views: TypeAlias = Mapping[str, AnyView]
Presents: TypeAlias = Mapping[str, AnyView | None]
Revise: TypeAlias = Callable[[Presents[AnyView]], Awaitable[Views[AnyView]]]
Page: TypeAlias = Mapping[str, str]
"""A keyword of documents, by their ids."""

_PAGE = 500
_PLACE_BYTES = 4096
_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Document(Generic[AnyView]):
    """A document as it was read or written.

    Args:
        view: None where what is there cannot be read: then it is made anew from the event log, by the aggregate's
            next event or by the auditor.
    """

    view: AnyView | None
    project_time_us: int
    state: State


class Documents(Generic[AnyView]):
    """Reads and writes the documents of one generation by id.

    Args:
        cached: how many documents are kept in memory, a large one counting as several. A kept one may be outdated:
            then its write conflicts, and it is read again.
        now_us: the time in microseconds since 1970.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        elasticsearch: AsyncElasticsearch,
        generation: Generation,
        patience: Patience,
        *,
        cached: int,
        now_us: Callable[[], int],
    ) -> None:
        self._read_model = read_model
        self._elasticsearch = elasticsearch
        self._generation = generation
        self._index = generation.index
        self._patience = patience
        self._cache: LRUCache[str, Document[AnyView]] = LRUCache(cached, lambda each: min(cached, _places(each)))
        self._now_us = now_us

    async def update(
        self, ids: Collection[str], revise: Revise[AnyView], spans: Spans
    ) -> Mapping[str, DocumentRejected]:
        """Replaces documents by what `revise` makes of them; answers those that Elasticsearch rejects.

        Args:
            ids: of documents that may or may not exist.
            revise: given the present views (None where there is no document), answers the views to be written.
                It is called again for what another writer changed meanwhile and for what could not be written.
            spans: under which each document's write shows.

        Raises:
            Outage: the process is to stop, and some documents may not be written.
        """
        remaining = set(ids)
        rejected: dict[str, DocumentRejected] = {}

        async def attempt() -> None:
            present = await self._read(remaining)
            wanted = await revise({id_: present[id_].view if id_ in present else None for id_ in remaining})
            failures = await self._write(wanted, present, spans)
            rejected.update({id_: each for id_, each in failures.items() if isinstance(each, DocumentRejected)})
            outages = {id_: each for id_, each in failures.items() if isinstance(each, Outage)}
            remaining.intersection_update(outages)
            if outages:
                raise next(iter(outages.values()))

        await self._patience.until_done(attempt)
        return rejected

    async def read(self, ids: Collection[str]) -> Mapping[str, Document[AnyView]]:
        """Those of the documents that exist, at least as new as this process has last seen them.

        Raises:
            Outage: the process is to stop.
        """
        return await self._patience.until_done(partial(self._read, ids))

    async def pages(self, query: Mapping[str, Any], keyword: str) -> AsyncIterator[Page]:
        """Pages of the documents that a query finds, as last refreshed, with one of their keywords each.

        They are sorted by what never changes, so that no write moves a document from one to another.

        Raises:
            Outage: the process is to stop.
        """
        after: Sequence[Any] | None = None
        while True:
            hits = await self._patience.until_done(partial(self._search, query, keyword, after))
            if not hits:
                return
            yield {hit["_id"]: hit["fields"][keyword][0] for hit in hits}
            after = hits[-1]["sort"]

    def forget(self, ids: Collection[str]) -> None:
        """Has documents be read anew: what is kept of them is known to be outdated."""
        for id_ in ids:
            self._cache.pop(id_, None)

    async def refresh(self) -> None:
        """Makes everything that was written until now appear in searches.

        Raises:
            Outage: the process is to stop.
        """
        await self._patience.until_done(self._refresh)

    async def _read(self, ids: Collection[str]) -> dict[str, Document[AnyView]]:
        documents = {id_: self._cache[id_] for id_ in ids if id_ in self._cache}
        missing = [id_ for id_ in ids if id_ not in documents]
        if not missing:
            return documents
        with as_outage():
            response = await self._elasticsearch.mget(
                index=self._index, ids=missing, source_includes=["view", "project_time_us"]
            )
        for found in response["docs"]:
            if "error" in found:
                raise ReadModelAway(found["error"]["type"])
            if found["found"]:
                documents[found["_id"]] = self._document(found)
                self._keep(found["_id"], documents[found["_id"]])
        return documents

    def _keep(self, id_: str, document: Document[AnyView]) -> None:
        """Remembers a document, unless a newer state is: answers come in any order when work is done side by side."""
        kept = self._cache.get(id_)
        if kept is None or kept.state < document.state:
            self._cache[id_] = document

    async def _write(
        self, views: Views[AnyView], present: Mapping[str, Document[AnyView]], spans: Spans
    ) -> Mapping[str, DocumentRejected | Outage]:
        """Writes each view over the document that it was made from; answers what failed."""
        now = self._now_us()
        failures: dict[str, DocumentRejected | Outage] = {}
        writes: list[Write] = []
        for id_, view in views.items():
            try:
                document = self._read_model.document(view, project_time_us=now)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is about this view
                failures[id_] = DocumentRejected(f"no document can be made of it: {type(error).__name__}")
            else:
                writes.append(Write(id_, document, present[id_].state if id_ in present else None))
        results = await write_in_bulk(self._elasticsearch, self._index, writes, spans, writers=self._generation.writers)
        for id_, result in results.items():
            if isinstance(result, State):
                self._keep(id_, Document(views[id_], now, result))
            else:
                self._cache.pop(id_, None)
                failures[id_] = result
        return failures

    async def _refresh(self) -> None:
        with as_outage():
            response = await self._elasticsearch.indices.refresh(index=self._index)
        if response["_shards"]["failed"]:
            raise ReadModelAway("a shard could not be refreshed")

    async def _search(
        self, query: Mapping[str, Any], keyword: str, after: Sequence[Any] | None
    ) -> Sequence[Mapping[str, Any]]:
        with as_outage():
            response = await self._elasticsearch.search(
                index=self._index,
                query=query,
                source=False,
                docvalue_fields=[{"field": keyword}],
                sort=[{self._read_model.id_field: "asc"}],
                search_after=after,
                size=_PAGE,
                track_total_hits=False,
                allow_partial_search_results=False,
            )
        hits: Sequence[Mapping[str, Any]] = response["hits"]["hits"]
        return hits

    def _document(self, found: Mapping[str, Any]) -> Document[AnyView]:
        state = State(found["_seq_no"], found["_primary_term"])
        try:
            view = self._read_model.view_of(found["_source"])
            return Document(view, found["_source"]["project_time_us"], state)
        except (KeyError, TypeError, ValueError, DecodeError) as error:
            _log.error(
                "a document cannot be read", index=self._index, aggregate_id=found["_id"], error=type(error).__name__
            )
            return Document(None, 0, state)


def _places(document: Document[Any]) -> int:
    return 1 + (document.view.ByteSize() // _PLACE_BYTES if document.view else 0)
