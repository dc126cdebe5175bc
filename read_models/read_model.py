"""What a read model consists of, so that what runs and rebuilds read models need not know each of them."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from event_schemas.aggregates import CUSTOMER, Aggregate
from orderflow.common.v1 import personal_data_pb2
from orderflow.customers.v1 import customer_pb2


class View(Protocol):
    """What queries show of an aggregate: a protobuf message with its version."""

    @property
    def version(self) -> int:
        """Of the last event that it was made from."""

    def ByteSize(self) -> int:
        """How many bytes it becomes."""

    def SerializeToString(self) -> bytes:
        """Its bytes."""


AnyView = TypeVar("AnyView", bound=View)
Shown_contra = TypeVar("Shown_contra", bound=View, contravariant=True)


class Document(Protocol[Shown_contra]):
    """Makes a view's document."""

    def __call__(self, view: Shown_contra, /, *, project_time_us: int) -> dict[str, Any]:
        """The document as Elasticsearch takes it; the time is when it is written."""


@dataclass(frozen=True, slots=True)
class CustomerEnrichment(Generic[AnyView]):
    """How views show their customers. Documents have the fields `customer_id`, `customer_version` and `enrichment`.

    Args:
        with_customer: the view with its customer; with None, that is while the customer is not known, without. With one
            who was erased nothing personal is left of it.
        pending: the view with its customer as it is, to be looked up again.
        is_pending: whether the customer is to be looked up; then the document's `enrichment` is `PENDING`.
        is_erased: whether the customer was erased, which is for ever.
    """

    customer_id: Callable[[AnyView], str]
    customer_version: Callable[[AnyView], int]
    with_customer: Callable[[AnyView, customer_pb2.Customer | None], AnyView]
    pending: Callable[[AnyView], AnyView]
    is_pending: Callable[[AnyView], bool]
    is_erased: Callable[[AnyView], bool]


@dataclass(frozen=True, slots=True)
class PersonalFields(Generic[AnyView]):
    """How views hold personal data, sealed until it is opened.

    Documents have the fields `customer_id` and `enrichment`.

    Args:
        sealed: what is to be opened; None where nothing is. Then the document's `enrichment` is `SEALED`.
        opened: the view with it opened; with None, where it is gone for ever, without.
        bare: the view without any of it.
        tells: whether the view says anything of the person, of its customer included.
    """

    sealed: Callable[[AnyView], personal_data_pb2.SealedPersonalData | None]
    opened: Callable[[AnyView, bytes | None], AnyView]
    bare: Callable[[AnyView], AnyView]
    tells: Callable[[AnyView], bool]


@dataclass(frozen=True, slots=True)
class ReadModel(Generic[AnyView]):
    """A read model: a document for each aggregate of a type, whose `_id` is the aggregate's id.

    Its documents have at least the fields `id_field`, `version`, `create_time_us`, `search_text`, which has the words
    of the id, `project_time_us`, and `view`.

    Args:
        name: last part of its alias's name.
        aggregate: whose events are folded.
        id_field: a keyword with the aggregate's id.
        evolve: the view with its next event; it never refuses history.
        index_body: settings and mappings of the index, as Elasticsearch takes them at creation. Whoever changes what
            documents hold raises `_meta.documents`, so that an index of earlier ones is known to need a rebuild even
            where its fields are the same.
        view_of: the view in a document.
        parse: the view of its bytes.
        id_of: the id of a view's aggregate.
        enrichment: what its views show of customers, if anything.
        personal: what its events hold of persons, if anything.
        cache_prefix: of the keys under which its newest views are put into Redis; empty where they are not.
        listed_by: further keywords by which readers narrow lists down; a rebuild compares such lists.
        ignored: the aggregates of which nothing is shown, named so that a new one is forgotten nowhere.
    """

    name: str
    aggregate: Aggregate[Any]
    id_field: str
    evolve: Callable[[AnyView | None, Any, int], AnyView]
    index_body: Callable[[], dict[str, Any]]
    document: Document[AnyView]
    view_of: Callable[[Mapping[str, Any]], AnyView]
    parse: Callable[[bytes], AnyView]
    id_of: Callable[[AnyView], str]
    enrichment: CustomerEnrichment[AnyView] | None = None
    personal: PersonalFields[AnyView] | None = None
    cache_prefix: str = ""
    listed_by: Sequence[str] = ()
    ignored: Sequence[Aggregate[Any]] = ()

    @property
    def aggregates(self) -> Sequence[Aggregate[Any]]:
        """Those whose events its documents depend on, its own first."""
        return (self.aggregate, CUSTOMER) if self.enrichment else (self.aggregate,)

    @property
    def topics(self) -> Sequence[str]:
        """The middle parts of the names of the topics with these events."""
        return [each.topic for each in self.aggregates]

    def pass_over(self, view: AnyView, version: int) -> AnyView:
        """The view as if its next version, `version`, had changed nothing; the given one stays as it is."""
        after: Any = deepcopy(view)
        after.version = version
        return cast("AnyView", after)

    def enrich(self, view: AnyView, customer: customer_pb2.Customer | None) -> AnyView:
        """The view with its customer, None while that is not known; the given one where it shows none."""
        return self.enrichment.with_customer(view, customer) if self.enrichment else view

    def source_version(self, view: AnyView) -> int:
        """The version of the customer that it shows; 0 where it shows none."""
        return self.enrichment.customer_version(view) if self.enrichment else 0

    def sealed(self, view: AnyView) -> personal_data_pb2.SealedPersonalData | None:
        """What of it is to be opened; None where nothing is."""
        return self.personal.sealed(view) if self.personal else None

    def opened(self, view: AnyView, data: bytes | None) -> AnyView:
        """The view with what was sealed of it, None where that is gone."""
        return self.personal.opened(view, data) if self.personal else view

    def bare(self, view: AnyView) -> AnyView:
        """The view as its events alone make it: without its customer and all that is personal."""
        plain = self.enrich(view, None)
        return self.personal.bare(plain) if self.personal else plain

    def is_pending(self, view: AnyView) -> bool:
        """Whether it is to be completed in its own time."""
        if self.sealed(view) is not None:
            return True
        return self.enrichment is not None and self.enrichment.is_pending(view)
