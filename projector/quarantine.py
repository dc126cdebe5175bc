"""The quarantine: what cannot be projected, kept in a small index of its own that all projectors share.

Each generation has records of its own: another one, of another fold or mapping, may take what this one cannot. What
was skipped is kept in records of all generations of a projection, so that it stays skipped in those that are yet to
be made; another projection decides for itself. Together they make an aggregate's entry as one generation sees it.

A stored record is the protobuf JSON of `GetQuarantinedResponse`. Each is written by compare-and-set and can be found
by searches before the call that writes it returns.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, TypeAlias

from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, NotFoundError
from google.protobuf.json_format import MessageToDict, ParseDict

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.bulk import State, Write, write_in_bulk
from projector.elasticsearch_errors import as_outage
from projector.errors import Contended, Outage, ReadModelAway
from projector.generations import Generation

Record: TypeAlias = pb.GetQuarantinedResponse
Page: TypeAlias = Sequence[pb.QuarantineEntry]
States: TypeAlias = Collection["pb.QuarantineState.ValueType"]
Entries: TypeAlias = Mapping[str, pb.QuarantineEntry]
_FIELDS = ["entry", "message", "event_json"]
_PAGE = 500
_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it was read.

    Args:
        record: the generation's own one, with what is skipped in all of them; where there is none, the common one.
        state: of the generation's own one; None where there is none.
        common: the record of what is skipped; None where nothing is.
        common_state: its state.
    """

    record: Record
    state: State | None
    common: Record | None = None
    common_state: State | None = None


class Quarantine:
    """Reads and writes one generation's records, and remembers which there are.

    What it remembers may be outdated: another process may have made, replayed or skipped an entry since. So an entry
    is looked at again before an event passes by because of it (`handler.py` says why nothing else is needed).

    Its methods raise ReadModelAway while Elasticsearch is away, and Contended where another process was faster.
    """

    def __init__(self, elasticsearch: AsyncElasticsearch, index: str, projection: str, generation: Generation) -> None:
        self._elasticsearch = elasticsearch
        self._index = index
        self._projection = projection
        self._generation = generation
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

    def skips(self, aggregate_type: str) -> Mapping[str, Collection[int]]:
        """The remembered versions that were skipped, by the ids of such aggregates."""
        of_type = (each for each in self._known.values() if each.aggregate_type == aggregate_type and each.skips)
        return {each.aggregate_id: {skip.version for skip in each.skips} for each in of_type}

    async def look(self, ids: Collection[str], *, messages: bool = False) -> Mapping[str, Found]:
        """Those of the records that there are now, with or without their messages."""
        if not ids:
            return {}
        asked = [*map(self._own, ids), *map(self._common, ids)]
        with as_outage():
            response = await self._elasticsearch.mget(
                index=self._index, ids=asked, source_includes=_FIELDS if messages else ["entry"]
            )
        read: dict[str, tuple[Record, State]] = {}
        for each in response["docs"]:
            if "error" in each:
                raise ReadModelAway(each["error"]["type"])
            if each["found"]:
                record = read_record(each["_source"])
                read[each["_id"]] = record, State(each["_seq_no"], each["_primary_term"])
        found = {
            id_: _found(read.get(self._own(id_)), read.get(self._common(id_)))
            for id_ in ids
            if read.keys() & {self._own(id_), self._common(id_)}
        }
        for id_ in ids:
            if id_ in found:
                self._known[id_] = found[id_].record.entry
            else:
                self._known.pop(id_, None)
        return found

    async def add(self, records: Mapping[str, Record]) -> Sequence[str]:
        """Quarantines; what is quarantined already, or skipped, stays as it is. Answers the ids of what is skipped."""
        await self._create()
        present = await self.look(records)
        news = {
            id_: record
            for id_, record in records.items()
            if id_ not in present or present[id_].record.entry.state != pb.QUARANTINE_STATE_QUARANTINED
        }
        passed = [id_ for id_ in news.keys() & present.keys() if _skips(present[id_], news[id_].entry.version)]
        writes = {
            id_: (_with_skips(record, present.get(id_)), present[id_].state if id_ in present else None)
            for id_, record in news.items()
            if id_ not in passed
        }
        await self._write(writes)
        return passed

    async def replace(self, found: Found, record: Record) -> Found:
        """Writes a record of the generation over one that was read, or where there was none."""
        written = await self._write({record.entry.id: (record, found.state)})
        return replace(found, record=record, state=written[record.entry.id])

    async def skip(self, found: Found, skip: pb.QuarantineSkip) -> Found:
        """Keeps for all generations that a version of a record that was read is skipped."""
        record = Record()
        record.CopyFrom(found.record)
        record.entry.state = pb.QUARANTINE_STATE_SKIPPED
        record.entry.generation = 0
        record.entry.projection = self._projection
        record.entry.skips.append(skip)
        write = Write(self._common(record.entry.id), _body(record, self._projection), found.common_state)
        (state,) = (await self._write_all([write])).values()
        return Found(_with_skips(found.record, found, skip), found.state, record, state)

    async def remove(self, found: Found) -> None:
        """Deletes a record of the generation that was read; what is skipped stays."""
        if found.state is None:
            return
        id_ = found.record.entry.id
        with as_outage():
            try:
                await self._elasticsearch.delete(
                    index=self._index,
                    id=self._own(id_),
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
        if found.common is not None:
            self._known[id_] = found.common.entry

    async def forget_all_but(self, generations: Iterable[Generation]) -> None:
        """Deletes the records of the projection's generations that are no more; what is skipped stays.

        Args:
            generations: all that the projection has.
        """
        await self._create()
        ours = {"term": {"entry.projection": self._projection}}
        stay = [self._projection, *(each.writers for each in generations)]
        others = {"bool": {"filter": [ours], "must_not": {"terms": {"writers": stay}}}}
        while True:
            with as_outage():
                response = await self._elasticsearch.search(
                    index=self._index, query=others, source=False, size=_PAGE, allow_partial_search_results=False
                )
                deletes = [{"delete": {"_id": hit["_id"]}} for hit in response["hits"]["hits"]]
                if not deletes:
                    return
                await self._elasticsearch.bulk(index=self._index, operations=deletes, refresh=True)

    async def count(self) -> int:
        """How many entries are quarantined and not yet replayed or skipped."""
        name = pb.QuarantineState.Name(pb.QUARANTINE_STATE_QUARANTINED)
        own = {"bool": {"filter": [{"term": {"writers": self._generation.writers}}, {"term": {"entry.state": name}}]}}
        with as_outage():
            return int(
                (await self._elasticsearch.count(index=self._index, query=own, ignore_unavailable=True))["count"]
            )

    async def pages(self, states: States = ()) -> AsyncIterator[Page]:
        """All entries, or those in some states; oldest first."""
        names = [pb.QuarantineState.Name(each) for each in states or pb.QuarantineState.values()]
        of_generation = {"terms": {"writers": [self._projection, self._generation.writers]}}
        after: Sequence[Any] | None = None
        while True:
            with as_outage():
                response = await self._elasticsearch.search(
                    index=self._index,
                    query={"bool": {"filter": [of_generation, {"terms": {"entry.state": names}}]}},
                    source_includes=["entry"],
                    sort=[{"entry.quarantine_time": "asc"}, {"entry.id": "asc"}],
                    search_after=after,
                    size=_PAGE,
                    allow_partial_search_results=False,
                )
            hits = response["hits"]["hits"]
            if not hits:
                return
            entries = [read_record(hit["_source"]).entry for hit in hits]
            found = await self.look([entry.id for entry in entries])
            yield [
                found[entry.id].record.entry
                for entry in entries
                if entry.id in found and found[entry.id].record.entry.state == entry.state
            ]
            after = hits[-1]["sort"]

    async def _write(self, writes: Mapping[str, tuple[Record, State | None]]) -> Mapping[str, State]:
        """Writes each of the generation's records over the state in which it was read."""
        for record, _ in writes.values():
            record.entry.generation = self._generation.number
            record.entry.projection = self._projection
        bodies = [
            Write(self._own(id_), _body(record, self._generation.writers), over)
            for id_, (record, over) in writes.items()
        ]
        written = await self._write_all(bodies)
        self._known.update({id_: record.entry for id_, (record, _) in writes.items()})
        return {id_: written[self._own(id_)] for id_ in writes}

    async def _write_all(self, writes: Sequence[Write]) -> Mapping[str, State]:
        results = await write_in_bulk(self._elasticsearch, self._index, writes, {})
        with as_outage():
            await self._elasticsearch.indices.refresh(index=self._index)
        written = {id_: result for id_, result in results.items() if isinstance(result, State)}
        for result in results.values():
            if isinstance(result, Outage):
                raise result
            if not isinstance(result, State):
                raise ReadModelAway(f"{self._index} does not take an entry: {result}")
        return written

    def _own(self, id_: str) -> str:
        """Where the generation keeps its record: under a name that only this very index has."""
        return f"{self._generation.writers}/{id_}"

    def _common(self, id_: str) -> str:
        """Where what is skipped in all generations is kept."""
        return f"{self._projection}/{id_}"

    async def _create(self) -> None:
        """Makes the index; one that an earlier version made gets the fields that it lacks."""
        body = json.loads(files("projector").joinpath("quarantine_index.json").read_text())
        wanted = body["mappings"]["properties"]
        with as_outage():
            found = await self._elasticsearch.indices.get_mapping(index=self._index, ignore_unavailable=True)
            for each in found.values():
                if each["mappings"]["properties"]["entry"]["properties"].keys() < wanted["entry"]["properties"].keys():
                    await self._elasticsearch.indices.put_mapping(index=self._index, properties=wanted)
                return
            try:
                await self._elasticsearch.indices.create(index=self._index, **body)
            except BadRequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise


def read_record(source: Mapping[str, Any]) -> Record:
    """The record in a document of the quarantine's index."""
    return ParseDict({name: source[name] for name in _FIELDS if name in source}, Record())


def _found(own: tuple[Record, State] | None, common: tuple[Record, State] | None) -> Found:
    """An aggregate's record, put together of those that there are, one at least."""
    skipped, skipped_state = common or (None, None)
    record, state = own or (skipped or Record(), None)
    if own is not None and skipped is not None:
        del record.entry.skips[:]
        record.entry.skips.extend(skipped.entry.skips)
    return Found(record, state, skipped, skipped_state)


def _skips(found: Found, version: int) -> bool:
    return any(each.version == version for each in found.record.entry.skips)


def _with_skips(record: Record, found: Found | None, *more: pb.QuarantineSkip) -> Record:
    """The record with what is skipped."""
    new = Record()
    new.CopyFrom(record)
    del new.entry.skips[:]
    new.entry.skips.extend([*(found.record.entry.skips if found else ()), *more])
    return new


def _body(record: Record, writers: str) -> Mapping[str, Any]:
    body = MessageToDict(record, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return {**body, "writers": writers}
