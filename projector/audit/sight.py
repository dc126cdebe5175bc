"""Looks at aggregates in the stores, and only then at what they are, so that the truth is never the older one."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic

from elasticsearch import AsyncElasticsearch
from redis.exceptions import RedisError

from event_schemas.aggregates import CUSTOMER
from orderflow.admin.v1 import quarantine_pb2
from orderflow.customers.v1 import customer_pb2
from projector.audit.verdicts import Judge, Truth, Versions
from projector.bulk import State
from projector.customers import Customers, CustomersById
from projector.elasticsearch_errors import as_outage
from projector.errors import ReadModelAway, Unprojectable
from projector.generations import Generation
from projector.personal_data import PersonalData
from projector.quarantine import Quarantine
from projector.quarantine_records import entry_id, skipped
from projector.refolding import Past, Refolding
from read_models.read_model import AnyView, ReadModel
from service_kit.view_cache import CachedView, ViewCache

_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Stored(Generic[AnyView]):
    """An aggregate as the stores show it.

    Args:
        source: of its document; None where there is none.
        state: of the document; None where there is none.
        view: in the document; None where it cannot be read.
        entry: in Redis; None where there is none, or Redis is away.
        shown: what the document shows.
    """

    source: Mapping[str, Any] | None
    state: State | None
    view: AnyView | None
    entry: CachedView | None
    shown: Versions


@dataclass(frozen=True, slots=True)
class Sight(Generic[AnyView]):
    """An aggregate as the stores show it, and as it is.

    Args:
        truth: None where it is in the quarantine, or its customer is, or it cannot be folded.
    """

    stored: Stored[AnyView]
    truth: Truth[AnyView] | None


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a read model is shown.

    Args:
        cache: None where its views are not in Redis.
    """

    elasticsearch: AsyncElasticsearch
    generation: Generation
    cache: ViewCache | None


@dataclass(frozen=True, slots=True)
class Sources(Generic[AnyView]):
    """What says how a read model's aggregates are."""

    refolding: Refolding[AnyView]
    customers: Customers
    personal_data: PersonalData
    quarantine: Quarantine


class Looking(Generic[AnyView]):
    """Looks at aggregates; its methods raise Outage where anything but Redis is away."""

    def __init__(
        self, read_model: ReadModel[AnyView], stores: Stores, sources: Sources[AnyView], judge: Judge[AnyView]
    ) -> None:
        self._read_model = read_model
        self._stores = stores
        self._sources = sources
        self._judge = judge

    async def at(self, aggregate_ids: Collection[str]) -> Mapping[str, Sight[AnyView]]:
        """All of the aggregates, by id."""
        ids = sorted(aggregate_ids)
        sights: dict[str, Sight[AnyView]] = {}
        for start in range(0, len(ids), _AT_ONCE):
            sights.update(await self._at(ids[start : start + _AT_ONCE]))
        return sights

    async def _at(self, ids: Sequence[str]) -> Mapping[str, Sight[AnyView]]:
        stored = await self._stored(ids)
        entries = await self._quarantined(map(self._entry_id, ids))
        past_of = self._sources.refolding.past_of
        pasts = await asyncio.gather(*(past_of(id_, skips=skipped(entries[self._entry_id(id_)])) for id_ in ids))
        folds = dict(
            zip(ids, await asyncio.gather(*(self._folds(past, stored[past.id]) for past in pasts)), strict=True)
        )
        folds = await self._opened(folds)
        owners = {id_: self._owner(views) for id_, views in folds.items()}
        customers = await self._customers(owners)
        entries.update(await self._quarantined({entry_id(CUSTOMER.type, owner) for owner in owners.values() if owner}))
        sights: dict[str, Sight[AnyView]] = {}
        for past in pasts:
            id_, views = past.id, folds[past.id]
            concerned = (self._entry_id(id_), entry_id(CUSTOMER.type, owners[id_]))
            is_aside = any(each in entries and _is_aside(entries[each]) for each in concerned)
            truth = None if is_aside or views is None else _truth(past, views, customers.get(owners[id_]))
            sights[id_] = Sight(stored[id_], truth)
        return sights

    async def _opened(
        self, folds: Mapping[str, Mapping[int, AnyView] | None]
    ) -> dict[str, Mapping[int, AnyView] | None]:
        """The views with what is sealed of them."""
        views = {(id_, version): view for id_, fold in folds.items() for version, view in (fold or {}).items()}
        opened = await self._sources.personal_data.opened(self._read_model, views)
        return {
            id_: None if fold is None else {version: opened[id_, version] for version in fold}
            for id_, fold in folds.items()
        }

    def _entry_id(self, id_: str) -> str:
        return entry_id(self._read_model.aggregate.type, id_)

    def _owner(self, views: Mapping[int, AnyView] | None) -> str:
        """The customer whom views of an aggregate show; empty where they show none."""
        view = next(iter((views or {}).values()), None)
        enrichment = self._read_model.enrichment
        return enrichment.customer_id(view) if enrichment and view is not None else ""

    async def _customers(self, owners: Mapping[str, str]) -> CustomersById:
        return await self._sources.customers.get(owner for owner in owners.values() if owner)

    async def _stored(self, ids: Sequence[str]) -> Mapping[str, Stored[AnyView]]:
        """The documents, then the entries, which are put after them."""
        with as_outage():
            answer = await self._stores.elasticsearch.mget(index=self._stores.generation.index, ids=list(ids))
        for found in answer["docs"]:
            if "error" in found:
                raise ReadModelAway(found["error"]["type"])
        entries = await asyncio.gather(*map(self._entry, ids))
        return {
            found["_id"]: self._as_stored(found, entry) for found, entry in zip(answer["docs"], entries, strict=True)
        }

    async def _entry(self, id_: str) -> CachedView | None:
        if self._stores.cache is None:
            return None
        with suppress(RedisError):  # away, or the key holds something else, which readers do not take either
            return await self._stores.cache.get(id_)
        return None

    def _as_stored(self, found: Mapping[str, Any], entry: CachedView | None) -> Stored[AnyView]:
        if not found["found"]:
            return Stored(None, None, None, entry, Versions(0, 0))
        source = found["_source"]
        view = self._judge.view_in(source)
        shown = Versions(view.version, self._read_model.source_version(view)) if view else Versions(0, 0)
        return Stored(source, State(found["_seq_no"], found["_primary_term"]), view, entry, shown)

    async def _quarantined(self, asked: Iterable[str]) -> dict[str, quarantine_pb2.QuarantineEntry]:
        """An entry for each, an empty one where there is none."""
        ids = list(asked)
        found = await self._sources.quarantine.look(ids)
        return {id_: found[id_].record.entry if id_ in found else quarantine_pb2.QuarantineEntry() for id_ in ids}

    async def _folds(self, past: Past[AnyView], stored: Stored[AnyView]) -> Mapping[int, AnyView] | None:
        """The views of those versions that are shown, and of the newest; None where the events cannot be folded."""
        shown = {stored.shown.own, stored.entry.version if stored.entry else 0}
        views: dict[int, AnyView] = {}
        try:
            for version in {past.head, *(each for each in shown if each <= past.head)}:
                view = await past.at(version)
                if view is not None:
                    views[version] = view
        except Unprojectable:
            return None
        return views


def _is_aside(entry: quarantine_pb2.QuarantineEntry) -> bool:
    return entry.state in (quarantine_pb2.QUARANTINE_STATE_QUARANTINED, quarantine_pb2.QUARANTINE_STATE_REPLAYING)


def _truth(past: Past[AnyView], views: Mapping[int, AnyView], customer: customer_pb2.Customer | None) -> Truth[AnyView]:
    return Truth(Versions(past.head, customer.version if customer else 0), views, customer)
