"""Judges what a store shows of an order against its events and its customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from google.protobuf.message import DecodeError

from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import views_pb2
from read_models.read_model import ReadModel
from service_kit.view_cache import CachedView


class Kind(Enum):
    """How a store diverges."""

    MISSING = "missing"
    """There is no document of an order that has events."""
    BEHIND = "behind"
    """It lacks events, or its customer's changes, that it should have by now."""
    AHEAD = "ahead"
    """It has a version that the order, or its customer, does not have."""
    CONTENT = "content"
    """It is not what its versions say."""


@dataclass(frozen=True, slots=True)
class Versions:
    """An order's version and its customer's; 0 where there is none."""

    order: int
    customer: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What an order is, read after what a store shows of it.

    Args:
        versions: the newest ones.
        views: without their customer; by those versions that stores show, and the newest.
        customer: None where there is none.
    """

    versions: Versions
    views: Mapping[int, views_pb2.OrderView]
    customer: customer_pb2.Customer | None


class Judge:
    """Judges views of a read model."""

    def __init__(self, read_model: ReadModel) -> None:
        self._read_model = read_model

    def document(self, source: Mapping[str, Any] | None, truth: Truth, due: Versions) -> Kind | None:
        """How a document diverges; None where it does not.

        Args:
            source: None where there is no document.
            due: versions that it must have.
        """
        if source is None:
            return Kind.MISSING if due.order else None
        view = self.view_in(source)
        if view is None:
            return Kind.CONTENT
        kind = self._view(view, truth, due)
        if kind in (None, Kind.BEHIND):
            whole = self._read_model.document(view, project_time_us=source["project_time_us"])
            if whole != source:
                return Kind.CONTENT
        return kind

    def entry(self, order_id: str, entry: CachedView, truth: Truth, due: Versions, *, generation: int) -> Kind | None:
        """How a cached view diverges; None where it does not.

        Args:
            due: versions that it must have.
            generation: that readers see. A view of another one has that one's content.
        """
        try:
            view = views_pb2.OrderView.FromString(entry.view)
        except DecodeError:
            return Kind.CONTENT
        if (view.order_id, view.version, view.customer_version) != (order_id, entry.version, entry.source_version):
            return Kind.CONTENT
        kind = self._view(view, truth, due)
        return None if kind is Kind.CONTENT and entry.generation != generation else kind

    def view_in(self, source: Mapping[str, Any]) -> views_pb2.OrderView | None:
        """The view that a document holds; None where that, or when it was written, cannot be read."""
        try:
            view = self._read_model.view_of(source)
        except (KeyError, TypeError, ValueError, DecodeError):
            return None
        return view if isinstance(source.get("project_time_us"), int) else None

    def _view(self, view: views_pb2.OrderView, truth: Truth, due: Versions) -> Kind | None:
        newest = truth.versions
        if view.version > newest.order or view.customer_version > newest.customer:
            return Kind.AHEAD
        if view.version not in truth.views or not self._is_same(view, truth):
            return Kind.CONTENT
        if view.version < due.order or (view.customer_version < due.customer and not _is_pending(view)):
            return Kind.BEHIND
        return None

    def _is_same(self, view: views_pb2.OrderView, truth: Truth) -> bool:
        """Whether it is what its versions say, as far as that is known: of the customer only the newest one is."""
        fresh = truth.views[view.version]
        if view.customer_version == truth.versions.customer and not _is_pending(view):
            return view == self._read_model.enrich(fresh, truth.customer)
        return self._read_model.enrich(view, None) == self._read_model.enrich(fresh, None)


def _is_pending(view: views_pb2.OrderView) -> bool:
    """Whether its customer is to be looked up, in its own time."""
    return view.enrichment_state == views_pb2.ENRICHMENT_STATE_PENDING
