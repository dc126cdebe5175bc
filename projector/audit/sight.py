"""Looks at orders in both stores, and only then at what they are, so that the truth is never the older one."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch
from redis.exceptions import RedisError

from orderflow.admin.v1 import quarantine_pb2
from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import views_pb2
from projector.audit.verdicts import Judge, Truth, Versions
from projector.bulk import State
from projector.customers import Customers
from projector.elasticsearch_errors import as_outage
from projector.errors import ReadModelAway, Unprojectable
from projector.event_log import EventLog
from projector.generations import Generation
from projector.quarantine import Quarantine
from projector.quarantine_records import entry_id, skipped
from projector.refolding import Past, past_of
from service_kit.view_cache import CachedView, ViewCache

_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """An order as the stores show it.

    Args:
        source: of its document; None where there is none.
        state: of the document; None where there is none.
        view: in the document; None where it cannot be read.
        entry: in Redis; None where there is none, or Redis is away.
    """

    source: Mapping[str, Any] | None
    state: State | None
    view: views_pb2.OrderView | None
    entry: CachedView | None

    @property
    def shown(self) -> Versions:
        """What the document shows."""
        return Versions(self.view.version, self.view.customer_version) if self.view else Versions(0, 0)


@dataclass(frozen=True, slots=True)
class Sight:
    """An order as the stores show it, and as it is.

    Args:
        truth: None where it is in the quarantine, or its customer is, or it cannot be folded.
    """

    stored: Stored
    truth: Truth | None


@dataclass(frozen=True, slots=True)
class Stores:
    """Where orders are shown."""

    elasticsearch: AsyncElasticsearch
    generation: Generation
    cache: ViewCache


@dataclass(frozen=True, slots=True)
class Sources:
    """What says how orders are."""

    event_log: EventLog
    customers: Customers
    quarantine: Quarantine


class Looking:
    """Looks at orders; its methods raise Outage where anything but Redis is away."""

    def __init__(self, stores: Stores, sources: Sources, judge: Judge) -> None:
        self._stores = stores
        self._sources = sources
        self._judge = judge

    async def at(self, order_ids: Collection[str]) -> Mapping[str, Sight]:
        """All of the orders, by id."""
        ids = sorted(order_ids)
        sights: dict[str, Sight] = {}
        for start in range(0, len(ids), _AT_ONCE):
            sights.update(await self._at(ids[start : start + _AT_ONCE]))
        return sights

    async def _at(self, ids: Sequence[str]) -> Mapping[str, Sight]:
        stored = await self._stored(ids)
        entries = await self._quarantined([entry_id("order", id_) for id_ in ids])
        pasts = await asyncio.gather(
            *(past_of(id_, self._sources.event_log, skips=skipped(entries[entry_id("order", id_)])) for id_ in ids)
        )
        folds = dict(
            zip(ids, await asyncio.gather(*(self._folds(past, stored[past.order_id]) for past in pasts)), strict=True)
        )
        of = {id_: next((view.customer_id for view in (folds[id_] or {}).values()), "") for id_ in ids}
        customers = await self._sources.customers.get(set(of.values()))
        entries.update(await self._quarantined([entry_id("customer", id_) for id_ in set(of.values()) if id_]))
        sights: dict[str, Sight] = {}
        for past in pasts:
            id_, views = past.order_id, folds[past.order_id]
            concerned = (entry_id("order", id_), entry_id("customer", of[id_]))
            is_aside = any(each in entries and _is_aside(entries[each]) for each in concerned)
            truth = None if is_aside or views is None else _truth(past, views, customers.get(of[id_]))
            sights[id_] = Sight(stored[id_], truth)
        return sights

    async def _stored(self, ids: Sequence[str]) -> Mapping[str, Stored]:
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
        with suppress(RedisError):  # away, or the key holds something else, which readers do not take either
            return await self._stores.cache.get(id_)
        return None

    def _as_stored(self, found: Mapping[str, Any], entry: CachedView | None) -> Stored:
        if not found["found"]:
            return Stored(None, None, None, entry)
        source = found["_source"]
        return Stored(source, State(found["_seq_no"], found["_primary_term"]), self._judge.view_in(source), entry)

    async def _quarantined(self, ids: Sequence[str]) -> dict[str, quarantine_pb2.QuarantineEntry]:
        """An entry for each, an empty one where there is none."""
        found = await self._sources.quarantine.look(ids)
        return {id_: found[id_].record.entry if id_ in found else quarantine_pb2.QuarantineEntry() for id_ in ids}

    async def _folds(self, past: Past, stored: Stored) -> Mapping[int, views_pb2.OrderView] | None:
        """The views of those versions that are shown, and of the newest; None where the events cannot be folded."""
        shown = {stored.shown.order, stored.entry.version if stored.entry else 0}
        views: dict[int, views_pb2.OrderView] = {}
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


def _truth(past: Past, views: Mapping[int, views_pb2.OrderView], customer: customer_pb2.Customer | None) -> Truth:
    return Truth(Versions(past.head, customer.version if customer else 0), views, customer)
