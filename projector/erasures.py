"""Follows erasures of customers to where their events do not go: into generations that this program does not feed."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import structlog
from elasticsearch import AsyncElasticsearch

from orderflow.customers.v1 import events_pb2
from projector.aggregate_projection import NO_SKIPS, AggregateProjection, Failures, Skips
from projector.elasticsearch_errors import as_outage
from projector.errors import ReadModelAway
from projector.events import Events, ReadableEvent
from projector.generations import Generations
from projector.patience import Patience
from projector.tracing import Spans

_PAGE = 500
_log = structlog.get_logger("projector")


class Erasures:
    """A projection of customers' events that also clears generations of other mappings.

    Such a one is kept for a rollback to the program that wrote it, or is left behind; nobody here can bring its
    documents up to date, so that those that show an erased customer are deleted. Whoever feeds it again restores
    them from the event log. The live one is left to whoever feeds it.
    """

    def __init__(
        self,
        projection: AggregateProjection,
        elasticsearch: AsyncElasticsearch,
        generations: Generations,
        patience: Patience,
    ) -> None:
        self._projection = projection
        self._elasticsearch = elasticsearch
        self._generations = generations
        self._patience = patience

    async def project(self, events: Mapping[str, Events], spans: Spans, skips: Skips = NO_SKIPS) -> Failures:
        """See `AggregateProjection`."""
        failures = await self._projection.project(events, spans, skips)
        if erased := list(_erased(events)):
            await self._patience.until_done(partial(self._clear, erased))
        return failures

    async def shown_version(self, id_: str) -> int | None:
        """See `AggregateProjection`."""
        return await self._projection.shown_version(id_)

    async def _clear(self, customer_ids: Sequence[str]) -> None:
        for each in await self._generations.all():
            if each.live or each.mapping_hash == self._generations.mapping_hash:
                continue
            deleted = 0
            while some := await self._delete_some(each.index, customer_ids):
                deleted += some
            if deleted:
                _log.info("erased customers deleted from another mapping", index=each.index, count=deleted)

    async def _delete_some(self, index: str, customer_ids: Sequence[str]) -> int:
        """Deletes some of their documents; how many there were."""
        with as_outage():
            found = await self._elasticsearch.search(
                index=index,
                query={"terms": {"customer_id": customer_ids}},
                source=False,
                size=_PAGE,
                ignore_unavailable=True,
                allow_partial_search_results=False,
            )
            deletes = [{"delete": {"_id": hit["_id"]}} for hit in found["hits"]["hits"]]
            if not deletes:
                return 0
            answer = await self._elasticsearch.bulk(index=index, operations=deletes, refresh=True)
        if answer["errors"]:  # of what is gone already there is none
            raise ReadModelAway(f"{index} does not let documents of erased customers be deleted")
        return len(deletes)


def _erased(events: Mapping[str, Events]) -> Iterator[str]:
    """Who was erased by the events."""
    for id_, versions in events.items():
        if any(
            isinstance(each, ReadableEvent) and isinstance(each.event, events_pb2.CustomerErased) for each in versions
        ):
            yield id_
