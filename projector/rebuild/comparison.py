"""Compares a new generation with the live one, and with the event log, before readers see it.

The live one may be wrong: that is what some rebuilds are for. So what the new one shows is held against the log,
and against the live one only in that it must lack nothing that can be found there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Generic

from elasticsearch import AsyncElasticsearch

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.aggregate_projection import NO_SKIPS
from projector.elasticsearch_errors import as_outage
from projector.errors import Differs, ReadModelAway, Unprojectable
from projector.event_log import EventLog
from projector.generations import Generation, Generations
from projector.patience import Patience
from projector.quarantine import Quarantine
from projector.refolding import Refolding
from read_models.read_model import AnyView, ReadModel

_SAMPLES = 200
_AT_ONCE = 20
_PAGE = 100
_LISTS = 5
_FOR_SECONDS = 10.0
_PAUSE_SECONDS = 0.5

Hit = Mapping[str, Any]


class Comparison(Generic[AnyView]):
    """Compares counts, sampled documents and queries.

    Args:
        quarantine: the new one's.
        before_us: queries are compared over what was created before this time, in microseconds since 1970: both
            generations know all of it.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        elasticsearch: AsyncElasticsearch,
        generations: Generations,
        event_log: EventLog,
        patience: Patience,
        *,
        quarantine: Quarantine,
        before_us: int,
    ) -> None:
        self._read_model = read_model
        self._versions = ("version", "customer_version") if read_model.enrichment else ("version",)
        self._newest_first = [{"create_time_us": "desc"}, {read_model.id_field: "asc"}]
        self._elasticsearch = elasticsearch
        self._generations = generations
        self._quarantine = quarantine
        self._skips = NO_SKIPS
        self._refolding = Refolding(read_model, event_log)
        self._patience = patience
        self._before_us = before_us

    async def run(self, new: Generation, live: Generation, *, only_with_log: bool) -> None:
        """Returns when the new generation may become live.

        Both take events meanwhile, and the live one may be ahead by a moment: a difference from it counts once it
        has lasted.

        Args:
            only_with_log: whatever the live one has.

        Raises:
            Differs: it may not; says why.
            Outage: the process is to stop.
        """
        await self._patience.until_done(partial(self._generations.refresh, new))
        await self._patience.until_done(partial(self._compare_with_log, new))
        if not only_with_log:
            for compare in (self._compare_counts, self._compare_documents, self._compare_queries):
                await self._lasting(partial(compare, new, live))

    async def _lasting(self, compare: Callable[[], Awaitable[None]]) -> None:
        deadline = time.monotonic() + _FOR_SECONDS
        while True:
            try:
                return await self._patience.until_done(compare)
            except Differs:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _compare_counts(self, new: Generation, live: Generation) -> None:
        there = await self._generations.count(live)
        await self._generations.refresh(new)
        here = await self._generations.count(new)
        if here < there:
            raise Differs(f"it has {here} documents, the live one {there}")

    async def _compare_with_log(self, new: Generation) -> None:
        """Sampled views against a fold of their events from the first one on, but for those that were skipped."""
        await self._quarantine.load()
        self._skips = self._quarantine.skips(self._read_model.aggregate.type)
        hits = await self._sample(new, ["view"])
        for start in range(0, len(hits), _AT_ONCE):
            await asyncio.gather(*(self._compare_with_events(hit) for hit in hits[start : start + _AT_ONCE]))

    async def _compare_with_events(self, hit: Hit) -> None:
        view = self._read_model.view_of(hit["_source"])
        skips = self._skips.get(hit["_id"], ())
        past = await self._refolding.past_of(hit["_id"], to=view.version, skips=skips)
        try:
            fresh = await past.at(view.version)
        except Unprojectable as cause:
            raise Differs(f"{hit['_id']} in version {view.version} is not what the log says: {cause}") from cause
        if fresh is None or self._read_model.bare(fresh) != self._read_model.bare(view):
            raise Differs(f"{hit['_id']} in version {view.version} is not the fold of its events")

    async def _compare_documents(self, new: Generation, live: Generation) -> None:
        """Documents sampled from the live one, and those quarantined in the new one, must be there, at least as new."""
        versions = {hit["_id"]: hit["_source"] for hit in await self._sample(live, self._versions)}
        async for page in self._quarantine.pages([pb.QUARANTINE_STATE_QUARANTINED]):
            own = [each.aggregate_id for each in page if each.aggregate_type == self._read_model.aggregate.type]
            versions.update(await self._versions_of(live, own))
        present = await self._versions_of(new, versions)
        for id_, there in versions.items():
            if id_ not in present:
                raise Differs(f"it lacks {id_}")
            if any(present[id_][name] < version for name, version in there.items()):
                raise Differs(f"it has an older version of {id_}")

    async def _versions_of(self, generation: Generation, ids: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Those of the documents that exist."""
        if not ids:
            return {}
        with as_outage():
            answer = await self._elasticsearch.mget(
                index=generation.index, ids=list(ids), source_includes=list(self._versions)
            )
        return {found["_id"]: found["_source"] for found in answer["docs"] if found.get("found")}

    async def _compare_queries(self, new: Generation, live: Generation) -> None:
        """What readers ask: the newest, lists that are narrowed down, and searches by words."""
        before = {"range": {"create_time_us": {"lt": self._before_us}}}
        newest = await self._search(live, {"bool": {"filter": [before]}}, _PAGE)
        queries = [{"bool": {"filter": [before]}}]
        for hit in newest[:_LISTS]:
            lists = [{"term": {name: hit["fields"][name][0]}} for name in self._read_model.listed_by]
            queries.extend({"bool": {"filter": [before, each]}} for each in lists)
            words = {"match": {"search_text": {"query": hit["_id"], "operator": "and"}}}
            queries.append({"bool": {"must": [words], "filter": [before]}})
        for query in queries:
            expected = [hit["_id"] for hit in await self._search(live, query, _PAGE)]
            among = {"bool": {"must": [query], "filter": [{"ids": {"values": expected}}]}}
            if [hit["_id"] for hit in await self._search(new, among, _PAGE)] != expected:
                raise Differs("a query does not find in it what it finds in the live one")

    async def _sample(self, generation: Generation, source: Sequence[str]) -> Sequence[Hit]:
        with as_outage():
            answer = await self._elasticsearch.search(
                index=generation.index,
                query={"function_score": {"random_score": {}}},
                source_includes=list(source),
                size=_SAMPLES,
                track_total_hits=False,
                allow_partial_search_results=False,
            )
        hits: Sequence[Hit] = answer["hits"]["hits"]
        return hits

    async def _search(self, generation: Generation, query: Mapping[str, Any], size: int) -> Sequence[Hit]:
        with as_outage():
            answer = await self._elasticsearch.search(
                index=generation.index,
                query=query,
                sort=self._newest_first,
                size=size,
                source=False,
                docvalue_fields=[{"field": name} for name in self._read_model.listed_by],
                track_total_hits=False,
                allow_partial_search_results=False,
            )
        if answer["timed_out"]:
            raise ReadModelAway("a search timed out")
        hits: Sequence[Hit] = answer["hits"]["hits"]
        return hits
