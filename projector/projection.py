"""The projection of orders: brings their events, and their customers, into documents and cached views."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import views_pb2
from projector.cached_views import CachedViews
from projector.documents import Documents, Presents, Views
from projector.enrichment import Enrichment, is_pending
from projector.errors import DocumentRejected
from projector.event_log import EventLog
from projector.events import CustomerEvent, UnreadableEvent
from projector.folding import Failure, Versions, folded
from projector.patience import Patience
from projector.tracing import Spans
from read_models import customers

CustomerVersions: TypeAlias = Sequence[CustomerEvent | UnreadableEvent]
Failures: TypeAlias = Mapping[str, Failure]
Skips: TypeAlias = Mapping[str, Collection[int]]
"""The versions that an operator has passed over, by order or customer."""

NO_SKIPS: Skips = MappingProxyType({})


class OrderProjection:
    """Projects events of orders and of their customers; to repeat a call changes nothing.

    Its methods raise Outage when the process is to stop before their work is done.
    """

    def __init__(
        self, documents: Documents, views: CachedViews, enrichment: Enrichment, event_log: EventLog, patience: Patience
    ) -> None:
        self._documents = documents
        self._views = views
        self._enrichment = enrichment
        self._event_log = event_log
        self._patience = patience

    async def project(self, events: Mapping[str, Versions], spans: Spans, skips: Skips = NO_SKIPS) -> Failures:
        """Folds orders' events into their documents; answers the orders for which that fails, where and why.

        A failed order's document has everything before the version that fails, and nothing after.

        Args:
            events: by order, each order's as they came: repeats and gaps may be among them.
            spans: by order.
        """
        failures = dict(await self._project(events, spans, skips))
        for id_, failure in failures.copy().items():
            if isinstance(failure.cause, DocumentRejected):
                del failures[id_]
                failures.update(await self._project_one_by_one(id_, events[id_], spans, skips))
        return failures

    async def version_of(self, order_id: str) -> int:
        """The version that an order's document has; 0 where there is none."""
        documents = await self._documents.read([order_id])
        view = documents[order_id].view if order_id in documents else None
        return view.version if view else 0

    async def follow_customers(
        self, events: Mapping[str, CustomerVersions], spans: Spans, skips: Skips = NO_SKIPS
    ) -> Failures:
        """Brings customers' orders to the customers that the events made, or newer ones.

        Answers the customers for which that fails, where and why; a customer's events after the one that fails are
        not followed.

        Args:
            events: by customer.
            spans: by customer.
        """
        told, failures = _told(events, skips)
        if told:
            for id_, cause in (await self._enrichment.follow(told, spans)).items():
                failures[id_] = Failure(told[id_].version, cause)
        return failures

    async def _project(self, events: Mapping[str, Versions], spans: Spans, skips: Skips) -> Failures:
        failures: dict[str, Failure] = {}
        written: dict[str, int] = {}
        unsure: set[str] = set()
        owed: set[str] = set()

        async def revise(present: Presents) -> Views:
            changed: dict[str, views_pb2.OrderView] = {}
            for id_, before in present.items():
                failures.pop(id_, None)
                after, failure = await folded(id_, before, events[id_], self._event_log, skips.get(id_, ()))
                if failure is not None:
                    failures[id_] = failure
                if after is not None and after is not before:
                    changed[id_] = after
                    written[id_] = after.version
                if id_ not in changed or _has_repeats(before, events[id_]):
                    unsure.add(id_)
            pending = {id_: view for id_, view in changed.items() if is_pending(view)}
            looked_up = await self._enrichment.first_look(pending, spans) if pending else {}
            (owed if looked_up is None else unsure).update(pending)
            return {**changed, **(looked_up or {})}

        rejected = await self._documents.update(events.keys(), revise, spans)
        failures.update({id_: Failure(written[id_], cause) for id_, cause in rejected.items()})
        self._documents.forget(events.keys() - written.keys())  # no conflict has shown whether what is kept is newest
        await self._views.put(await self._documents.read(events.keys()))  # unchanged ones, too: a crash may have cut it
        if owed:
            self._enrichment.owing.set()
        for id_, cause in (await self._enrichment.look_again(unsure, spans)).items():
            failures.setdefault(id_, Failure(await self.version_of(id_), cause))
        return failures

    async def _project_one_by_one(self, id_: str, events: Versions, spans: Spans, skips: Skips) -> Failures:
        """Finds the first version whose document is rejected, by writing each of them."""
        came = {each.version: each for each in reversed(events)}
        for version in range(await self.version_of(id_) + 1, max(came) + 1):
            single = (
                [came[version]]
                if version in came
                else await self._patience.until_done(partial(self._event_log.read, id_, version - 1, version))
            )
            if failures := await self._project({id_: single}, spans, skips):
                return failures
        return {}


def _told(
    events: Mapping[str, CustomerVersions], skips: Skips
) -> tuple[dict[str, customer_pb2.Customer], dict[str, Failure]]:
    """The customers as far as their events can be read, and where they cannot be read further."""
    told: dict[str, customer_pb2.Customer] = {}
    failures: dict[str, Failure] = {}
    for id_, versions in events.items():
        for each in versions:
            if each.version in skips.get(id_, ()):
                continue
            if isinstance(each, UnreadableEvent):
                failures[id_] = Failure(each.version, each.cause)
                break
            if id_ not in told or told[id_].version < each.version:
                told[id_] = customers.evolve(told.get(id_), each.event, each.version)
    return told, failures


def _has_repeats(before: views_pb2.OrderView | None, events: Versions) -> bool:
    return before is not None and any(each.version <= before.version for each in events)
