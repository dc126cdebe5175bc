"""The projection of a read model: brings its aggregates' events into documents and cached views."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic

from projector.aggregate_projection import NO_SKIPS, Failures, Skips
from projector.cached_views import CachedViews
from projector.documents import Documents, Presents, Views
from projector.enrichment import Enrichment, Rejections
from projector.errors import DocumentRejected
from projector.event_log import EventLog
from projector.events import Events
from projector.folding import Failure, Folding
from projector.patience import Patience
from projector.tracing import Spans
from read_models.read_model import AnyView, ReadModel, View


class Projection(Generic[AnyView]):
    """Folds events into documents. A failed aggregate's has everything before the version that fails, nothing after.

    Args:
        views: None where the read model has none in Redis.
        enrichment: None where its views show no customers, and nothing personal.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        documents: Documents[AnyView],
        event_log: EventLog,
        patience: Patience,
        *,
        views: CachedViews[AnyView] | None,
        enrichment: Enrichment[AnyView] | None,
    ) -> None:
        self._read_model = read_model
        self._documents = documents
        self._event_log = event_log
        self._folding = Folding(read_model, event_log)
        self._patience = patience
        self._views = views
        self._enrichment = enrichment

    async def project(self, events: Mapping[str, Events], spans: Spans, skips: Skips = NO_SKIPS) -> Failures:
        """See `AggregateProjection`."""
        failures = dict(await self._project(events, spans, skips))
        for id_, failure in failures.copy().items():
            if isinstance(failure.cause, DocumentRejected):
                del failures[id_]
                failures.update(await self._project_one_by_one(id_, events[id_], spans, skips))
        return failures

    async def shown_version(self, id_: str) -> int:
        """See `AggregateProjection`."""
        documents = await self._documents.read([id_])
        view = documents[id_].view if id_ in documents else None
        return view.version if view else 0

    async def _project(self, events: Mapping[str, Events], spans: Spans, skips: Skips) -> Failures:
        at_work = _Work(events, spans, skips)
        rejected = await self._documents.update(events.keys(), partial(self._revised, at_work), spans)
        failures = at_work.failures
        failures.update({id_: Failure(at_work.written[id_], cause) for id_, cause in rejected.items()})
        # No conflict has shown whether what is kept of those that were not written is newest.
        self._documents.forget(events.keys() - at_work.written.keys())
        # Side by side: in whatever order views come to the cache, it keeps the newest.
        _, rejections = await asyncio.gather(self._cached(events.keys()), self._looked_at_again(at_work))
        for id_, cause in rejections.items():
            failures.setdefault(id_, Failure(await self.shown_version(id_), cause))
        return failures

    async def _cached(self, ids: Collection[str]) -> None:
        """Puts the views into Redis, unchanged ones, too: a crash may have cut it."""
        if self._views is not None:
            await self._views.put(await self._documents.read(ids))

    async def _looked_at_again(self, at_work: "_Work") -> Rejections:
        if self._enrichment is None:
            return {}
        if at_work.owed:
            self._enrichment.owing.set()
        return await self._enrichment.look_again(at_work.unsure, at_work.spans)

    async def _revised(self, at_work: "_Work", present: Presents[AnyView]) -> Views[AnyView]:
        """The views that change, as they are to be written."""
        changed: dict[str, AnyView] = {}
        for id_, before in present.items():
            events, skips = at_work.events[id_], at_work.skips.get(id_, ())
            at_work.failures.pop(id_, None)
            after, failure = await self._folding.folded(id_, before, events, skips)
            if failure is not None:
                at_work.failures[id_] = failure
            if after is not None and after is not before:
                changed[id_] = after
                at_work.written[id_] = after.version
            if id_ not in changed or _has_repeats(before, events):
                at_work.unsure.add(id_)
        if self._enrichment is None:
            return changed
        pending = {id_: view for id_, view in changed.items() if self._read_model.is_pending(view)}
        looked_up = await self._enrichment.first_look(pending, at_work.spans) if pending else {}
        (at_work.owed if looked_up is None else at_work.unsure).update(pending)
        return {**changed, **(looked_up or {})}

    async def _project_one_by_one(self, id_: str, events: Events, spans: Spans, skips: Skips) -> Failures:
        """Finds the first version whose document is rejected, by writing each of them."""
        came = {each.version: each for each in reversed(events)}
        for version in range(await self.shown_version(id_) + 1, max(came) + 1):
            single = [came[version]] if version in came else await self._logged(id_, version)
            if failures := await self._project({id_: single}, spans, skips):
                return failures
        return {}

    async def _logged(self, id_: str, version: int) -> Events:
        async def read() -> Events:
            return (await self._event_log.history(self._read_model.aggregate, id_, version - 1, version)).events

        return await self._patience.until_done(read)


@dataclass(slots=True)
class _Work:
    """What is to be projected at once, and what became of it so far.

    Args:
        written: the versions that were to be written last.
        unsure: whose customers must be looked at again.
        owed: whose customers could not be looked up.
    """

    events: Mapping[str, Events]
    spans: Spans
    skips: Skips
    failures: dict[str, Failure] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)


def _has_repeats(before: View | None, events: Events) -> bool:
    return before is not None and any(each.version <= before.version for each in events)
