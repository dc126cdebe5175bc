"""The projection of orders: brings their events, and their customers, into documents and cached views.

No document keeps an outdated customer, although orders and customers come by different partitions, perhaps to
different processes. The argument, for a customer's change C and the first write D of an order's document:

- C's event is followed up: refresh the index, find the customer's documents with an older customer version,
  rewrite them with the customer as it is now. So C reaches every document whose D was acknowledged before that
  refresh.
- Otherwise D was acknowledged after that refresh, and so after C. Before the order's messages count as finished,
  but after D, its customer is looked up a second time. CustomerService is never stale, so this look sees C.
- A crash may cut either short. Then the message comes again: an order's as a repeat, which writes nothing but is
  looked at again, and a customer's to be followed up again.
- Later writes keep the customer of the document that they are made from, by compare-and-set.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TypeAlias

from opentelemetry.trace import Span

from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import views_pb2
from projector.cached_views import CachedViews
from projector.customers import Customers
from projector.documents import Documents, Views
from projector.errors import CustomersAway, DocumentRejected
from projector.event_log import EventLog
from projector.events import CustomerEvent, UnreadableEvent
from projector.folding import Failure, Versions, folded
from projector.patience import Patience
from projector.tracing import Spans, beside_all, under_each
from read_models import orders

_CUSTOMERS_A_SEARCH = 100

CustomersById: TypeAlias = Mapping[str, customer_pb2.Customer]
Rejections: TypeAlias = Mapping[str, DocumentRejected]
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
        self, documents: Documents, views: CachedViews, customers: Customers, event_log: EventLog, patience: Patience
    ) -> None:
        self._documents = documents
        self._views = views
        self._customers = customers
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
        return documents[order_id].view.version if order_id in documents else 0

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
        due, failures = _due(events, skips)
        if not due:
            return failures
        customers = await self._patience.until_done(partial(self._at_least, due, spans))
        await self._documents.refresh()
        for portion in _portions(due):
            async for page in self._documents.of_customers(portion):
                page_spans = {order_id: spans.get(customer_id, ()) for order_id, customer_id in page.items()}
                for order_id, cause in (await self._enrich(page.keys(), customers, page_spans)).items():
                    failures[page[order_id]] = Failure(due[page[order_id]], cause)
        return failures

    async def _project(self, events: Mapping[str, Versions], spans: Spans, skips: Skips) -> Failures:
        failures: dict[str, Failure] = {}
        written: dict[str, int] = {}
        unsure: set[str] = set()

        async def revise(present: Mapping[str, views_pb2.OrderView | None]) -> Views:
            changed: dict[str, views_pb2.OrderView] = {}
            for id_, before in present.items():
                failures.pop(id_, None)
                after, failure = await folded(id_, before, events[id_], self._event_log, skips.get(id_, ()))
                if failure is not None:
                    failures[id_] = failure
                if after is not None and after is not before:
                    changed[id_] = after
                    written[id_] = after.version
                if id_ not in changed or _has_repeats(before, events[id_]) or _is_pending(changed[id_]):
                    unsure.add(id_)
            pending = {id_: view for id_, view in changed.items() if _is_pending(view)}
            customers = await self._look_up(pending, spans)
            for id_, view in pending.items():
                changed[id_] = orders.with_customer(view, customers.get(view.customer_id))
            return changed

        rejected = await self._documents.update(events.keys(), revise, spans)
        failures.update({id_: Failure(written[id_], cause) for id_, cause in rejected.items()})
        await self._put(events.keys())
        for id_, cause in (await self._look_again(unsure, spans)).items():
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

    async def _look_up(self, views: Views, spans: Spans) -> CustomersById:
        with under_each(_of(spans, views), "enrich"):
            return await self._customers_of(views)

    async def _customers_of(self, views: Views) -> CustomersById:
        return await self._customers.get(view.customer_id for view in views.values())

    async def _look_again(self, order_ids: Collection[str], spans: Spans) -> Rejections:
        """The second look of the argument above."""
        documents = await self._documents.read(order_ids)
        views = {id_: document.view for id_, document in documents.items()}
        with beside_all(_of(spans, views), "look at customers again"):
            customers = await self._patience.until_done(partial(self._customers_of, views))
        outdated = {id_ for id_, view in views.items() if _is_outdated(view, customers)}
        return await self._enrich(outdated, customers, spans)

    async def _at_least(self, versions: Mapping[str, int], spans: Spans) -> CustomersById:
        """The customers at these versions or newer ones.

        Raises:
            CustomersAway: the service does not answer, or is behind what it has published.
        """
        with under_each(_of(spans, versions), "enrich"):
            customers = await self._customers.get(versions)
        behind = [id_ for id_, version in versions.items() if id_ not in customers or customers[id_].version < version]
        if behind:
            raise CustomersAway(f"CustomerService is behind its own events of {len(behind)} customers")
        return customers

    async def _enrich(self, order_ids: Collection[str], customers: CustomersById, spans: Spans) -> Rejections:
        """Brings documents to these customers, leaves those that know newer ones, and caches all of them."""

        async def revise(present: Mapping[str, views_pb2.OrderView | None]) -> Views:
            return {
                id_: orders.with_customer(view, customers[view.customer_id])
                for id_, view in present.items()
                if view is not None and _is_outdated(view, customers)
            }

        rejected = await self._documents.update(order_ids, revise, spans)
        await self._put([id_ for id_ in order_ids if id_ not in rejected])
        return rejected

    async def _put(self, order_ids: Collection[str]) -> None:
        """Caches views as their documents are now, unchanged ones too: a crash may have kept them out before."""
        await self._views.put(await self._documents.read(order_ids))


def _due(events: Mapping[str, CustomerVersions], skips: Skips) -> tuple[dict[str, int], dict[str, Failure]]:
    """The versions up to which customers can be followed, and where they cannot be followed further."""
    due: dict[str, int] = {}
    failures: dict[str, Failure] = {}
    for id_, versions in events.items():
        for each in versions:
            if each.version in skips.get(id_, ()):
                continue
            if isinstance(each, UnreadableEvent):
                failures[id_] = Failure(each.version, each.cause)
                break
            due[id_] = max(each.version, due.get(id_, 0))
    return due, failures


def _is_pending(view: views_pb2.OrderView) -> bool:
    return view.enrichment_state == views_pb2.ENRICHMENT_STATE_PENDING


def _has_repeats(before: views_pb2.OrderView | None, events: Versions) -> bool:
    return before is not None and any(each.version <= before.version for each in events)


def _is_outdated(view: views_pb2.OrderView, customers: CustomersById) -> bool:
    customer = customers.get(view.customer_id)
    return customer is not None and customer.version > view.customer_version


def _of(spans: Spans, ids: Collection[str]) -> Iterator[Span]:
    return (span for id_ in ids for span in spans.get(id_, ()))


def _portions(versions: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    items = iter(versions.items())
    while portion := dict(islice(items, _CUSTOMERS_A_SEARCH)):
        yield portion
