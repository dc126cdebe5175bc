"""Looks what the read side holds of a customer who was, or was to be, erased."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from elasticsearch import AsyncElasticsearch
from google.protobuf.message import DecodeError
from redis.exceptions import RedisError

from event_schemas.aggregates import AGGREGATES
from orderflow.admin.v1 import erasure_pb2 as pb
from projector.elasticsearch_errors import as_outage
from projector.errors import Outage, ReadModelUnavailable
from projector.generations import Generation
from projector.place import Place
from projector.quarantine import Record, read_record

_PAGE = 500
_LONGEST_SECONDS = 120.0


class ReadModelErasureCheck:
    """Looks at every generation, fed or not, at Redis and at the quarantine.

    Args:
        places: of the read models that this process runs.
    """

    def __init__(self, places: Sequence[Place[Any]], elasticsearch: AsyncElasticsearch, quarantine_index: str) -> None:
        self._places = [each for each in places if each.read_model.personal]
        self._elasticsearch = elasticsearch
        self._quarantine_index = quarantine_index

    async def of(self, customer_id: str) -> Sequence[pb.ErasureFinding]:
        """A finding for each place.

        Raises:
            ReadModelUnavailable: Elasticsearch or Redis is away.
        """
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                found = [finding for place in self._places for finding in await self._in_place(place, customer_id)]
                return [*found, await self._in_quarantine(customer_id)]
        except (Outage, RedisError, TimeoutError) as error:
            raise ReadModelUnavailable("what is to be looked at cannot be reached now") from error

    async def _in_place(self, place: Place[Any], customer_id: str) -> Sequence[pb.ErasureFinding]:
        findings: list[pb.ErasureFinding] = []
        ids: set[str] = set()
        for generation in await place.generations.all():
            finding, seen = await self._in_generation(place, generation, customer_id)
            findings.append(finding)
            ids |= seen
        cache = place.cache()
        if cache is not None:
            entries = [entry for id_ in sorted(ids) if (entry := await cache.get(id_)) is not None]
            telling = sum(_tells(place, entry.view) for entry in entries)
            findings.append(_finding("redis", f"{place.read_model.cache_prefix}*", len(entries), telling))
        return findings

    async def _in_generation(
        self, place: Place[Any], generation: Generation, customer_id: str
    ) -> tuple[pb.ErasureFinding, set[str]]:
        """What a generation holds, and of which aggregates; what was written a moment ago is refreshed first."""
        await place.generations.refresh(generation)
        ids: set[str] = set()
        telling = 0
        query = {"term": {"customer_id": customer_id}}
        async for hit in self._hits(generation.index, query, [place.read_model.id_field]):
            ids.add(hit["_id"])
            telling += _document_tells(place, hit["_source"])
        fed = "" if generation.mapping_hash == place.generations.mapping_hash else "of another mapping, not fed"
        return _finding("elasticsearch", generation.index, len(ids), telling, fed), ids

    async def _in_quarantine(self, customer_id: str) -> pb.ErasureFinding:
        examined = telling = 0
        async for hit in self._hits(self._quarantine_index, {"match_all": {}}, ["entry.id", "writers"]):
            found = _personal(read_record(hit["_source"]))
            if found is not None and found.customer_id == customer_id:
                examined += 1
                telling += not found.personal_data.key_id
        return _finding("elasticsearch", self._quarantine_index, examined, telling, "messages with personal data")

    async def _hits(
        self, index: str, query: Mapping[str, Any], keywords: Sequence[str]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """All that a query finds, in the order of keywords that together no two have in common."""
        after: Sequence[Any] | None = None
        while True:
            with as_outage():
                answer = await self._elasticsearch.search(
                    index=index,
                    query=query,
                    sort=[{each: "asc"} for each in keywords],
                    search_after=after,
                    size=_PAGE,
                    ignore_unavailable=True,
                    allow_partial_search_results=False,
                )
            hits = answer["hits"]["hits"]
            for each in hits:
                yield each
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]


def _tells(place: Place[Any], data: bytes) -> bool:
    """Whether a view says who the person is; one that cannot be read may."""
    try:
        view = place.read_model.parse(data)
    except DecodeError:
        return True
    return place.read_model.personal is not None and place.read_model.personal.tells(view)


def _document_tells(place: Place[Any], source: Mapping[str, Any]) -> bool:
    """The same of a document, with the words by which it is found."""
    read_model = place.read_model
    try:
        view = read_model.view_of(source)
    except (KeyError, TypeError, ValueError, DecodeError):
        return True
    bare = read_model.document(read_model.bare(view), project_time_us=0)
    words = set(source.get("search_text", ())) - set(bare["search_text"])
    return bool(words) or (read_model.personal is not None and read_model.personal.tells(view))


def _personal(record: Record) -> Any:
    """The event in a quarantined message, if it holds personal data."""
    types = {name: type_ for each in AGGREGATES for name, type_ in each.events.stored.items()}
    type_ = types.get(record.entry.event_type)
    if type_ is None or "personal_data" not in type_.DESCRIPTOR.fields_by_name:
        return None
    try:
        event: Any = type_.FromString(record.message.value)
    except DecodeError:
        return None
    return event if event.HasField("personal_data") else None


def _finding(store: str, place: str, examined: int, telling: int, detail: str = "") -> pb.ErasureFinding:
    return pb.ErasureFinding(store=store, place=place, examined_count=examined, remaining_count=telling, detail=detail)
