"""Brings customers into orders' documents, and never holds the projection up: it completes later what it cannot now.

No document keeps an outdated customer, although orders and customers come by different partitions, perhaps to
different processes, and although CustomerService may be away. The argument, for a customer's change C and a write D
of an order's document that takes a customer from a look-up before it, which may be an old one:

- C's event is followed up: refresh the index, find the customer's documents with an older customer version, bring
  them to the customer as the event made it, or newer. So C reaches every document whose D was acknowledged before
  that refresh.
- Otherwise D was acknowledged after that refresh, and so after C. Before the order's messages count as finished,
  but after D, its customer is looked up a second time, and not from memory. CustomerService is never stale, so this
  look sees C. Where the look fails, the document is marked as pending instead.
- A crash may cut either short. Then the message comes again: an order's as a repeat, which writes nothing but is
  looked at again, and a customer's to be followed up again.
- Later writes keep the customer of the document that they are made from, by compare-and-set, and the mark. Only
  what has looked after it has read the document takes the mark away; so such a look is one after D, too, and what
  was marked in between makes the write a conflict. Who follows a customer up without a look leaves the mark. (An
  order's next event takes it away before its second look; it is not finished before that, either.)
- The marks are the list of what is to be completed: it is as durable as the documents. Each process searches for
  them when it begins, after each time that it has made some, and now and then, as others may have died.
- A customer version in a document never becomes a lower one.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from opentelemetry.trace import Span

from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import views_pb2
from projector.cached_views import CachedViews
from projector.customers import Customers, CustomersById
from projector.documents import Documents, Presents, Views
from projector.errors import CustomersAway, DocumentRejected
from projector.tracing import Spans, beside_all, under_each
from read_models import orders

_CUSTOMERS_A_SEARCH = 100

Rejections = Mapping[str, DocumentRejected]


class Enrichment:
    """Looks customers up for documents. Its methods raise Outage when the process is to stop before they are done.

    `owing` is set when documents are left pending because their customers could not be looked up.
    """

    def __init__(self, documents: Documents, views: CachedViews, customers: Customers) -> None:
        self.owing = asyncio.Event()
        self._documents = documents
        self._views = views
        self._customers = customers

    async def first_look(self, views: Views, spans: Spans) -> Views | None:
        """Pending views with their customers, as far as these are known; None where they cannot be looked up.

        What it answers must be looked at again once it is written; where that is None, `owing` must be set.
        """
        try:
            with under_each(_of(spans, views), "enrich"):
                customers = await self._customers.known(view.customer_id for view in views.values())
        except CustomersAway:
            return None
        return {id_: _enriched(view, customers.get(view.customer_id)) for id_, view in views.items()}

    async def look_again(self, order_ids: Collection[str], spans: Spans) -> Rejections:
        """Brings documents to their customers as these are now, or marks them; answers what is rejected."""
        if not order_ids:
            return {}
        with beside_all(_of(spans, order_ids), "look at customers again"):
            return await self._bring(order_ids, {}, spans)

    async def follow(self, told: CustomersById, spans: Spans) -> Mapping[str, DocumentRejected]:
        """Brings customers' documents to these customers, or newer ones; answers the customers of what is rejected."""
        rejected: dict[str, DocumentRejected] = {}
        self._customers.keep(told)
        await self._documents.refresh()
        for portion in _portions({id_: customer.version for id_, customer in told.items()}):
            async for page in self._documents.of_customers(portion):
                self._documents.forget(page.keys())  # it may be another process that has written them since
                page_spans = {order_id: spans.get(customer_id, ()) for order_id, customer_id in page.items()}
                for order_id, cause in (await self._bring(page.keys(), told, page_spans)).items():
                    rejected[page[order_id]] = cause
        return rejected

    async def complete(self) -> int:
        """Completes pending documents, but for those whose customers do not exist; answers how many.

        Raises:
            CustomersAway: the rest cannot be looked up now.
        """
        completed = 0
        await self._documents.refresh()
        async for page in self._documents.pending():
            existing = await self._customers.get(page.values())
            found = [order_id for order_id, customer_id in page.items() if customer_id in existing]
            self._documents.forget(found)  # it may be another process that has marked them
            completed += len(found) - len(await self._bring(found, {}, {}))
        return completed

    async def _bring(self, order_ids: Collection[str], told: CustomersById, spans: Spans) -> Rejections:
        """Brings documents to their customers as these are now or, without a look-up, are told to be; caches them.

        It looks up what it has read, each time that it reads.
        """
        away = False

        async def revise(present: Presents) -> Views:
            nonlocal away
            views = {id_: view for id_, view in present.items() if view is not None}
            try:
                with under_each(_of(spans, views) if told else (), "enrich"):
                    customers = await self._customers.get(view.customer_id for view in views.values())
            except CustomersAway:
                away = True
                after = {id_: _followed(view, told) if told else _marked(view) for id_, view in views.items()}
            else:
                after = {id_: _brought(view, customers, told) for id_, view in views.items()}
            return {id_: view for id_, view in after.items() if view is not views[id_]}

        rejected = await self._documents.update(order_ids, revise, spans)
        if away:
            self.owing.set()
        await self._views.put(await self._documents.read([id_ for id_ in order_ids if id_ not in rejected]))
        return rejected


def is_pending(view: views_pb2.OrderView) -> bool:
    """Whether its customer is to be looked up."""
    return view.enrichment_state == views_pb2.ENRICHMENT_STATE_PENDING


def _enriched(view: views_pb2.OrderView, customer: customer_pb2.Customer | None) -> views_pb2.OrderView:
    """The view with the customer, unless that is not known, or older than the view's."""
    if customer is None or customer.version < view.customer_version:
        return view
    return orders.with_customer(view, customer)


def _brought(view: views_pb2.OrderView, customers: CustomersById, told: CustomersById) -> views_pb2.OrderView:
    """The view with its customer as it was looked up after the view was read; the given view where that has it."""
    customer, other = customers.get(view.customer_id), told.get(view.customer_id)
    if other is not None and (customer is None or customer.version < other.version):
        return _followed(view, told)
    if customer is not None and customer.version == view.customer_version and not is_pending(view):
        return view
    return _enriched(view, customer)


def _followed(view: views_pb2.OrderView, told: CustomersById) -> views_pb2.OrderView:
    """The view with the customer that an event told of, if that is newer; where the view is marked, it stays so."""
    customer = told.get(view.customer_id)
    if customer is None or customer.version <= view.customer_version:
        return view
    after = orders.with_customer(view, customer)
    return orders.pending(after) if is_pending(view) and not _is_erased(after) else after


def _marked(view: views_pb2.OrderView) -> views_pb2.OrderView:
    return view if is_pending(view) or _is_erased(view) else orders.pending(view)


def _is_erased(view: views_pb2.OrderView) -> bool:
    """Whether its customer was erased, which is for ever."""
    return view.enrichment_state == views_pb2.ENRICHMENT_STATE_ERASED


def _of(spans: Spans, ids: Collection[str]) -> Iterator[Span]:
    return (span for id_ in ids for span in spans.get(id_, ()))


def _portions(versions: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    items = iter(versions.items())
    while portion := dict(islice(items, _CUSTOMERS_A_SEARCH)):
        yield portion
