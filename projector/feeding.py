"""Feeds generations of a read model: puts together what brings events into one, and runs it over Kafka."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

import structlog

from event_schemas.aggregates import CUSTOMER
from projector.aggregate_projection import AggregateProjection, AggregateProjections
from projector.backfill import Backfill
from projector.cached_views import CachedViews
from projector.customer_changes import CustomerChanges
from projector.documents import Documents
from projector.enrichment import Enrichment
from projector.erasures import Erasures
from projector.errors import Outage
from projector.generations import Generation
from projector.handler import BatchHandler
from projector.heartbeat import Heartbeat
from projector.neighbors import now_us
from projector.patience import Patience
from projector.place import Place, consumer_settings
from projector.projection import Projection
from projector.quarantine import Quarantine
from projector.replays import Replays
from projector.tracing import silent
from read_models.read_model import AnyView
from service_kit.kafka_consumer import BatchConsumer

_log = structlog.get_logger("projector")


@dataclass(frozen=True, slots=True)
class Projecting(Generic[AnyView]):
    """What brings events into one generation.

    Args:
        views: None where the read model has none in Redis.
        enrichment: None where its views show no customers, and nothing personal.
    """

    projections: AggregateProjections
    views: CachedViews[AnyView] | None
    enrichment: Enrichment[AnyView] | None
    quarantine: Quarantine
    replays: Replays


def projecting(place: Place[AnyView], generation: Generation, patience: Patience) -> Projecting[AnyView]:
    """Puts it together; nothing of it is in use elsewhere."""
    read_model, neighbors = place.read_model, place.neighbors
    views = _cached_views(place, generation, patience)
    documents = Documents(
        read_model,
        neighbors.elasticsearch,
        generation,
        patience,
        cached=neighbors.settings.cached_documents,
        now_us=now_us,
    )
    enrichment = None
    if read_model.enrichment or read_model.personal:
        enrichment = Enrichment(read_model, documents, views, neighbors.customers, neighbors.personal_data)
    own = Projection(read_model, documents, neighbors.event_log, patience, views=views, enrichment=enrichment)
    projections: dict[str, AggregateProjection] = {read_model.aggregate.type: own}
    if enrichment is not None and read_model.enrichment:
        projections[CUSTOMER.type] = CustomerChanges(enrichment)
    if CUSTOMER.type in projections:
        followed = projections[CUSTOMER.type]
        projections[CUSTOMER.type] = Erasures(followed, neighbors.elasticsearch, place.generations, patience)
    quarantine = place.quarantine(generation)
    replays = Replays(read_model, quarantine, projections, neighbors.event_log, patience, now_us=now_us)
    return Projecting(projections, views, enrichment, quarantine, replays)


class Feeding:
    """Feeds generations, each until it is told to stop.

    `replays` has those of the generations that are being fed, by their writers.
    """

    def __init__(self, place: Place[Any], heartbeat: Heartbeat) -> None:
        self.replays: dict[str, Replays] = {}
        self._place = place
        self._heartbeat = heartbeat

    async def feed(self, generation: Generation, is_live: Callable[[], bool], stop: asyncio.Event) -> None:
        """Projects what comes, until `stop` is set; then finishes what it has in hand."""
        consumer = self._consumer(generation)
        patience = Patience(stop, at_outage=consumer.pardon)
        parts = projecting(self._place, generation, patience)
        handler = self._handler(parts, generation, is_live, patience)
        self.replays[generation.writers] = parts.replays
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(each) for each in self._beside(parts, is_live)]
                await consumer.run(handler, stop)
                for each in beside:
                    each.cancel()
        except* Outage:
            _log.warning("stopped in an outage; events not finished come again", index=generation.index)
        finally:
            del self.replays[generation.writers]
            self._heartbeat.end(generation.writers)

    def _consumer(self, generation: Generation) -> BatchConsumer:
        settings = self._place.neighbors.settings
        return BatchConsumer(
            consumer_settings(settings, self._place.groups.id_of(generation)),
            self._place.topics,
            batch_size=settings.batch_size,
            at_round=partial(self._heartbeat.beat, generation.writers),
        )

    def _handler(
        self, parts: Projecting[Any], generation: Generation, is_live: Callable[[], bool], patience: Patience
    ) -> BatchHandler:
        return BatchHandler(
            self._place.read_model,
            parts.projections,
            parts.quarantine,
            parts.replays,
            patience,
            group=self._place.groups.id_of(generation),
            is_live=is_live,
            now_us=now_us,
        )

    def _beside(self, parts: Projecting[Any], is_live: Callable[[], bool]) -> Iterator[Coroutine[None, None, None]]:
        """What goes on beside the consumer."""
        if parts.views is not None:
            yield parts.views.keep_paying()
        if parts.enrichment is not None:
            yield Backfill(
                parts.enrichment,
                seconds=self._place.neighbors.settings.backfill_seconds,
                shown=lambda: nullcontext() if is_live() else silent(),
            ).run()


def _cached_views(place: Place[AnyView], generation: Generation, patience: Patience) -> CachedViews[AnyView] | None:
    cache = place.cache()
    if cache is None:
        return None
    live = partial(patience.until_done, partial(place.generations.is_live, generation))
    return CachedViews(place.read_model, cache, generation=generation.number, live=live)
