"""Judges what a store shows of an aggregate against its events and, where its views show one, its customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic

from google.protobuf.message import DecodeError

from orderflow.customers.v1 import customer_pb2
from read_models.read_model import AnyView, ReadModel
from service_kit.view_cache import CachedView


class Kind(Enum):
    """How a store diverges."""

    MISSING = "missing"
    """There is no document of an aggregate that has events."""
    BEHIND = "behind"
    """It lacks events, or its customer's changes, that it should have by now."""
    AHEAD = "ahead"
    """It has a version that the aggregate, or its customer, does not have."""
    CONTENT = "content"
    """It is not what its versions say."""


@dataclass(frozen=True, slots=True)
class Versions:
    """An aggregate's own version and its customer's; 0 where there is none."""

    own: int
    source: int


@dataclass(frozen=True, slots=True)
class Truth(Generic[AnyView]):
    """What an aggregate is, read after what a store shows of it.

    Args:
        versions: the newest ones.
        views: without their customer, but opened; by those versions that stores show, and the newest.
        customer: None where there is none.
    """

    versions: Versions
    views: Mapping[int, AnyView]
    customer: customer_pb2.Customer | None


class Judge(Generic[AnyView]):
    """Judges views of a read model."""

    def __init__(self, read_model: ReadModel[AnyView]) -> None:
        self._read_model = read_model

    def document(self, source: Mapping[str, Any] | None, truth: Truth[AnyView], due: Versions) -> Kind | None:
        """How a document diverges; None where it does not.

        Args:
            source: None where there is no document.
            due: versions that it must have.
        """
        if source is None:
            return Kind.MISSING if due.own else None
        view = self.view_in(source)
        if view is None:
            return Kind.CONTENT
        kind = self._view(view, truth, due)
        if kind in (None, Kind.BEHIND):
            whole = self._read_model.document(view, project_time_us=source["project_time_us"])
            if whole != source:
                return Kind.CONTENT
        return kind

    def entry(
        self, id_: str, entry: CachedView, truth: Truth[AnyView], due: Versions, *, generation: int
    ) -> Kind | None:
        """How a cached view diverges; None where it does not.

        Args:
            due: versions that it must have.
            generation: that readers see. A view of another one has that one's content.
        """
        try:
            view = self._read_model.parse(entry.view)
        except DecodeError:
            return Kind.CONTENT
        told = (self._read_model.id_of(view), view.version, self._read_model.source_version(view))
        if told != (id_, entry.version, entry.source_version):
            return Kind.CONTENT
        kind = self._view(view, truth, due)
        return None if kind is Kind.CONTENT and entry.generation != generation else kind

    def view_in(self, source: Mapping[str, Any]) -> AnyView | None:
        """The view that a document holds; None where that, or when it was written, cannot be read."""
        try:
            view = self._read_model.view_of(source)
        except (KeyError, TypeError, ValueError, DecodeError):
            return None
        return view if isinstance(source.get("project_time_us"), int) else None

    def _view(self, view: AnyView, truth: Truth[AnyView], due: Versions) -> Kind | None:
        newest, source_version = truth.versions, self._read_model.source_version(view)
        if view.version > newest.own or source_version > newest.source:
            return Kind.AHEAD
        if view.version not in truth.views or not self._is_same(view, truth):
            return Kind.CONTENT
        if view.version < due.own or (source_version < due.source and not self._read_model.is_pending(view)):
            return Kind.BEHIND
        return None

    def _is_same(self, view: AnyView, truth: Truth[AnyView]) -> bool:
        """Whether it is what its versions say, as far as that is known: of the customer only the newest one is.

        An address may be gone with a newer customer, who was erased.
        """
        fresh = truth.views[view.version]
        is_newest = self._read_model.source_version(view) == truth.versions.source
        if is_newest and not self._read_model.is_pending(view):
            return view == self._read_model.enrich(fresh, truth.customer)
        return self._read_model.bare(view) == self._read_model.bare(fresh)
