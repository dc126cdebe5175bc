"""Follows erasures of customers to where their events do not go: into generations that this program does not feed."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import structlog
from elasticsearch import AsyncElasticsearch

from orderflow.customers.v1 import events_pb2
from projector.aggregate_projection import NO_SKIPS, AggregateProjection, Failures, Skips
from projector.elasticsearch_errors import as_outage
from projector.events import Events, ReadableEvent
from projector.generations import Generations
from projector.patience import Patience
from projector.tracing import Spans

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
            with as_outage():
                answer = await self._elasticsearch.delete_by_query(
                    index=each.index,
                    query={"terms": {"customer_id": customer_ids}},
                    conflicts="proceed",
                    refresh=True,
                    ignore_unavailable=True,
                )
            if answer["deleted"]:
                _log.info("erased customers deleted from another mapping", index=each.index, count=answer["deleted"])


def _erased(events: Mapping[str, Events]) -> Iterator[str]:
    """Who was erased by the events."""
    for id_, versions in events.items():
        if any(
            isinstance(each, ReadableEvent) and isinstance(each.event, events_pb2.CustomerErased) for each in versions
        ):
            yield id_
