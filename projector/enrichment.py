"""Brings customers into documents, and never holds the projection up: it completes later what it cannot now.

No document keeps an outdated customer, although its own events and its customer's come by different partitions,
perhaps to different processes, and although CustomerService may be away. The argument, for a customer's change C and
a write D of a document that takes a customer from a look-up before it, which may be an old one:

- C's event is followed up: refresh the index, find the customer's documents with an older customer version, bring
  them to the customer as the event made it, or newer. So C reaches every document whose D was acknowledged before
  that refresh.
- Otherwise D was acknowledged after that refresh, and so after C. Before the messages behind D count as finished,
  but after D, its customer is looked up a second time, and not from memory. CustomerService is never stale, so this
  look sees C. Where the look fails, the document is marked as pending instead.
- A crash may cut either short. Then the message comes again: as a repeat, which writes nothing but is looked at
  again, and a customer's to be followed up again.
- Later writes keep the customer of the document that they are made from, by compare-and-set, and the mark. Only
  what has looked after it has read the document takes the mark away; so such a look is one after D, too, and what
  was marked in between makes the write a conflict. Who follows a customer up without a look leaves the mark. (The
  next event takes it away before its second look; it is not finished before that, either.)
- The marks are the list of what is to be completed: it is as durable as the documents. Each process searches for
  them when it begins, after each time that it has made some, and now and then, as others may have died.
- A customer version in a document never becomes a lower one.

What an order's or a customer's own events hold sealed is opened in the same look, or not at all: until then the
document has it sealed, and says so by a mark of its own. An address that was opened before its customer was erased is
another thing that a look has taken from an older customer: with the erased one it goes, by the same argument. What a
customer's event says sealed is not read from it: its documents are looked up, or marked.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic

from opentelemetry.trace import Span

from projector.cached_views import CachedViews
from projector.customers import Customers, CustomersById
from projector.documents import Documents, Page, Presents, Views
from projector.errors import CustomersAway, DocumentRejected
from projector.personal_data import PersonalData
from projector.tracing import Spans, beside_all, under_each
from read_models.read_model import AnyView, ReadModel

_CUSTOMERS_A_SEARCH = 100
_OWNER = "customer_id"
_MARKS = ("SEALED", "PENDING")

Rejections = Mapping[str, DocumentRejected]


class Enrichment(Generic[AnyView]):
    """Looks customers up for documents. Its methods raise Outage when the process is to stop before they are done.

    `owing` is set when documents are left pending because their customers could not be looked up.

    Args:
        views: None where the read model has none in Redis.
    """

    def __init__(
        self,
        read_model: ReadModel[AnyView],
        documents: Documents[AnyView],
        views: CachedViews[AnyView] | None,
        customers: Customers,
        personal_data: PersonalData,
    ) -> None:
        self.owing = asyncio.Event()
        self._read_model = read_model
        self._shown = read_model.enrichment
        self._personal_data = personal_data
        self._documents = documents
        self._views = views
        self._customers = customers

    async def first_look(self, views: Views[AnyView], spans: Spans) -> Views[AnyView] | None:
        """Pending views with their customers, as far as these are known; None where they cannot be looked up.

        What it answers must be looked at again once it is written; where that is None, `owing` must be set.
        """
        try:
            with under_each(_of(spans, views), "enrich"):
                customers = await self._customers.known(self._owners(views))
                opened = await self._personal_data.opened(self._read_model, views)
        except CustomersAway:
            return None
        return {id_: self._enriched(view, customers) for id_, view in opened.items()}

    async def look_again(self, ids: Collection[str], spans: Spans) -> Rejections:
        """Brings documents to their customers as these are now, or marks them; answers what is rejected."""
        if not ids:
            return {}
        with beside_all(_of(spans, ids), "look at customers again"):
            return (await self._bring(ids, {}, spans, all_cached=False)).rejected

    async def follow(self, told: CustomersById, spans: Spans) -> Mapping[str, DocumentRejected]:
        """Brings customers' documents to these customers, or newer ones; answers the customers of what is rejected."""
        rejected: dict[str, DocumentRejected] = {}
        self._customers.keep(told)
        await self._documents.refresh()
        for portion in _portions({id_: customer.version for id_, customer in told.items()}):
            async for page in self._written_with(portion):
                self._documents.forget(page.keys())  # it may be another process that has written them since
                page_spans = {id_: spans.get(customer_id, ()) for id_, customer_id in page.items()}
                for id_, cause in (await self._bring(page.keys(), told, page_spans)).rejected.items():
                    rejected[page[id_]] = cause
        return rejected

    async def complete(self) -> int:
        """Completes pending documents, but for those that only lack a customer who does not exist; answers how many.

        Raises:
            CustomersAway: the rest cannot be looked up now.
        """
        completed = 0
        await self._documents.refresh()
        for mark in _MARKS:
            async for page in self._documents.pages({"term": {"enrichment": mark}}, _OWNER):
                found = list(page) if mark == "SEALED" else await self._with_existing_customers(page)
                self._documents.forget(found)  # it may be another process that has marked them
                brought = await self._bring(found, {}, {})
                if brought.away:
                    raise CustomersAway("what is sealed cannot be opened now")
                completed += len(found) - len(brought.rejected)
        return completed

    async def _with_existing_customers(self, page: Page) -> list[str]:
        existing = await self._customers.get(page.values())
        return [id_ for id_, customer_id in page.items() if customer_id in existing]

    def _written_with(self, versions: Mapping[str, int]) -> AsyncIterator[Page]:
        """Pages of the customers' documents that have these customer versions or older ones."""
        theirs = [_with_customer(id_, version) for id_, version in versions.items()]
        return self._documents.pages({"bool": {"should": theirs}}, _OWNER)

    async def _bring(
        self, ids: Collection[str], told: CustomersById, spans: Spans, *, all_cached: bool = True
    ) -> "_Brought":
        """Brings documents to their customers as these are now or, without a look-up, are told to be; caches them.

        It looks up what it has read, each time that it reads.

        Args:
            all_cached: also those that it leaves as they are, for a crash may have cut that; otherwise who asks does.
        """
        away = False
        changed: set[str] = set()

        async def revise(present: Presents[AnyView]) -> Views[AnyView]:
            nonlocal away
            views = {id_: view for id_, view in present.items() if view is not None}
            try:
                with under_each(_of(spans, views) if told else (), "enrich"):
                    customers = await self._customers.get(self._owners(views))
                    opened = await self._personal_data.opened(self._read_model, views)
            except CustomersAway:
                away = True
                after = {id_: self._followed(view, told) if told else self._marked(view) for id_, view in views.items()}
            else:
                after = {id_: self._brought(view, customers, told) for id_, view in opened.items()}
            wanted = {id_: view for id_, view in after.items() if view is not views[id_]}
            changed.update(wanted)
            return wanted

        rejected = await self._documents.update(ids, revise, spans)
        if away:
            self.owing.set()
        if self._views is not None:
            cached = set(ids) if all_cached else changed
            await self._views.put(await self._documents.read(cached - rejected.keys()))
        return _Brought(rejected, away)

    def _owners(self, views: Views[AnyView]) -> Iterator[str]:
        return map(self._shown.customer_id, views.values()) if self._shown else iter(())

    def _enriched(self, view: AnyView, customers: CustomersById) -> AnyView:
        """The view with its customer, unless that is not known, or older than the view's."""
        if self._shown is None:
            return view
        customer = customers.get(self._shown.customer_id(view))
        if customer is None or customer.version < self._shown.customer_version(view):
            return view
        return self._shown.with_customer(view, customer)

    def _brought(self, view: AnyView, customers: CustomersById, told: CustomersById) -> AnyView:
        """The view with its customer as it was looked up after the view was read; the given view where that has it."""
        if self._shown is None:
            return view
        id_ = self._shown.customer_id(view)
        customer, other = customers.get(id_), told.get(id_)
        if other is not None and (customer is None or customer.version < other.version):
            return self._followed(view, told)
        if (
            customer is not None
            and customer.version == self._shown.customer_version(view)
            and not self._shown.is_pending(view)
        ):
            return view
        return self._enriched(view, customers)

    def _followed(self, view: AnyView, told: CustomersById) -> AnyView:
        """The view with the customer that an event told of, if that is newer; where the view is marked, it stays so.

        Of a customer whose name the event holds sealed it is marked.
        """
        if self._shown is None:
            return view
        customer = told.get(self._shown.customer_id(view))
        if customer is None or customer.version <= self._shown.customer_version(view):
            return view
        if customer.HasField("sealed_personal_data"):
            return self._marked(view)
        after = self._shown.with_customer(view, customer)
        keeps_mark = self._shown.is_pending(view) and not self._shown.is_erased(after)
        return self._shown.pending(after) if keeps_mark else after

    def _marked(self, view: AnyView) -> AnyView:
        if self._shown is None:
            return view
        is_settled = self._shown.is_pending(view) or self._shown.is_erased(view)
        return view if is_settled else self._shown.pending(view)


@dataclass(frozen=True, slots=True)
class _Brought:
    """What became of documents that were to be brought to their customers.

    Args:
        away: their customers could not be looked up, so that they are marked instead.
    """

    rejected: Rejections
    away: bool


def _of(spans: Spans, ids: Collection[str]) -> Iterator[Span]:
    return (span for id_ in ids for span in spans.get(id_, ()))


def _portions(versions: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    items = iter(versions.items())
    while portion := dict(islice(items, _CUSTOMERS_A_SEARCH)):
        yield portion


def _with_customer(customer_id: str, version: int) -> Mapping[str, Any]:
    of_customer = {"term": {_OWNER: customer_id}}
    return {"bool": {"filter": [of_customer, {"range": {"customer_version": {"lte": version}}}]}}
