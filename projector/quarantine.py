"""The quarantine: what cannot be projected, kept in a small index of its own that all projectors share.

A stored record is the protobuf JSON of `GetQuarantinedResponse`. Each is written by compare-and-set and can be found
by searches before the call that writes it returns.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeAlias

from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, NotFoundError
from google.protobuf.json_format import MessageToDict, ParseDict

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.bulk import State, Write, write_in_bulk
from projector.elasticsearch_errors import as_outage
from projector.errors import Contended, Outage, ReadModelAway

Record: TypeAlias = pb.GetQuarantinedResponse
Page: TypeAlias = Sequence[pb.QuarantineEntry]
States: TypeAlias = Collection["pb.QuarantineState.ValueType"]
Entries: TypeAlias = Mapping[str, pb.QuarantineEntry]
_PAGE = 500
_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it was read."""

    record: Record
    state: State


class Quarantine:
    """Reads and writes records, and remembers which there are.

    What it remembers may be outdated: another process may have made, replayed or skipped an entry since. So an entry
    is looked at again before an event passes by because of it (`handler.py` says why nothing else is needed).

    Its methods raise ReadModelAway while Elasticsearch is away, and Contended where another process was faster.
    """

    def __init__(self, elasticsearch: AsyncElasticsearch, index: str) -> None:
        self._elasticsearch = elasticsearch
        self._index = index
        self._known: dict[str, pb.QuarantineEntry] = {}

    async def load(self) -> None:
        """Makes the index where there is none, and remembers its entries."""
        await self._create()
        with as_outage():
            await self._elasticsearch.indices.refresh(index=self._index)
        self._known = {entry.id: entry async for page in self.pages() for entry in page}

    def known(self, ids: Iterable[str]) -> Entries:
        """Those of the entries that are remembered."""
        return {id_: self._known[id_] for id_ in ids if id_ in self._known} if self._known else {}

    def in_state(self, state: "pb.QuarantineState.ValueType") -> Sequence[str]:
        """The ids of remembered entries in a state."""
        return [entry.id for entry in self._known.values() if entry.state == state]

    async def look(self, ids: Collection[str], *, messages: bool = False) -> Mapping[str, Found]:
        """Those of the records that there are now, with or without their messages."""
        source = None if messages else ["entry"]
        with as_outage():
            response = await self._elasticsearch.mget(index=self._index, ids=list(ids), source_includes=source)
        found: dict[str, Found] = {}
        for each in response["docs"]:
            if "error" in each:
                raise ReadModelAway(each["error"]["type"])
            if each["found"]:
                record = ParseDict(each["_source"], Record())
                found[each["_id"]] = Found(record, State(each["_seq_no"], each["_primary_term"]))
        for id_ in ids:
            if id_ in found:
                self._known[id_] = found[id_].record.entry
            else:
                self._known.pop(id_, None)
        return found

    async def add(self, records: Mapping[str, Record]) -> None:
        """Quarantines; what is quarantined already, or skipped, stays as it is."""
        await self._create()
        present = await self.look(records)
        writes = {
            id_: (_over(record, present.get(id_)), present[id_].state if id_ in present else None)
            for id_, record in records.items()
            if id_ not in present or not _settles(present[id_].record.entry, record.entry.version)
        }
        await self._write(writes)

    async def replace(self, found: Found, record: Record) -> Found:
        """Writes a record over one that was read."""
        written = await self._write({record.entry.id: (record, found.state)})
        return Found(record, written[record.entry.id])

    async def remove(self, found: Found) -> None:
        """Deletes a record that was read."""
        id_ = found.record.entry.id
        with as_outage():
            try:
                await self._elasticsearch.delete(
                    index=self._index,
                    id=id_,
                    if_seq_no=found.state.seq_no,
                    if_primary_term=found.state.primary_term,
                    refresh=True,
                )
            except NotFoundError:
                pass
            except ApiError as error:
                if error.status_code == _CONFLICT:
                    raise Contended(f"{id_} was changed meanwhile") from error
                raise
        self._known.pop(id_, None)

    async def pages(self, states: States = ()) -> AsyncIterator[Page]:
        """All entries, or those in some states; oldest first."""
        names = [pb.QuarantineState.Name(each) for each in states or pb.QuarantineState.values()]
        after: Sequence[Any] | None = None
        while True:
            with as_outage():
                response = await self._elasticsearch.search(
                    index=self._index,
                    query={"terms": {"entry.state": names}},
                    source_includes=["entry"],
                    sort=[{"entry.quarantine_time": "asc"}, {"entry.id": "asc"}],
                    search_after=after,
                    size=_PAGE,
                    allow_partial_search_results=False,
                )
            hits = response["hits"]["hits"]
            if not hits:
                return
            yield [ParseDict(hit["_source"], Record()).entry for hit in hits]
            after = hits[-1]["sort"]

    async def _write(self, writes: Mapping[str, tuple[Record, State | None]]) -> Mapping[str, State]:
        """Writes each record over the state in which it was read."""
        bodies = [Write(id_, _body(record), over) for id_, (record, over) in writes.items()]
        results = await write_in_bulk(self._elasticsearch, self._index, bodies, {})
        with as_outage():
            await self._elasticsearch.indices.refresh(index=self._index)
        written = {id_: result for id_, result in results.items() if isinstance(result, State)}
        self._known.update({id_: writes[id_][0].entry for id_ in written})
        for result in results.values():
            if isinstance(result, Outage):
                raise result
            if not isinstance(result, State):
                raise ReadModelAway(f"{self._index} does not take an entry: {result}")
        return written

    async def _create(self) -> None:
        body = json.loads(files("projector").joinpath("quarantine_index.json").read_text())
        with as_outage():
            if await self._elasticsearch.indices.exists(index=self._index):
                return
            try:
                await self._elasticsearch.indices.create(index=self._index, **body)
            except BadRequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise


def _settles(entry: pb.QuarantineEntry, version: int) -> bool:
    """Whether an entry says already what happens to a version that fails."""
    return entry.state == pb.QUARANTINE_STATE_QUARANTINED or any(each.version == version for each in entry.skips)


def _over(record: Record, present: Found | None) -> Record:
    """The record with what is kept of the one before it: which versions were skipped."""
    new = Record()
    new.CopyFrom(record)
    if present is not None:
        new.entry.skips.extend(present.record.entry.skips)
    return new


def _body(record: Record) -> Mapping[str, Any]:
    body: Mapping[str, Any] = MessageToDict(
        record, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return body
