"""Writes documents in bulk and judges each one's result: Elasticsearch answers 200 even when items fail."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias, cast

import orjson
from elasticsearch import AsyncElasticsearch
from opentelemetry.semconv.attributes.db_attributes import (
    DB_COLLECTION_NAME,
    DB_OPERATION_BATCH_SIZE,
    DB_OPERATION_NAME,
    DB_SYSTEM_NAME,
)
from opentelemetry.trace import SpanKind

from projector.elasticsearch_errors import as_outage, item_failure
from projector.errors import DocumentRejected, Outage, ReadModelAway
from projector.tracing import Spans, under_each

_MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class State:
    """Names one state of a document: each write makes another, and a later one."""

    seq_no: int
    primary_term: int

    def __lt__(self, other: "State") -> bool:
        return (self.primary_term, self.seq_no) < (other.primary_term, other.seq_no)


@dataclass(frozen=True, slots=True)
class Write:
    """One document, to be written on the condition that it is still as it was read.

    Args:
        over: the state in which it was read; None where there was no document; ANY where nobody else writes it.
    """

    id: str
    body: Mapping[str, Any]
    over: State | None


ANY = State(-1, -1)
"""Stands for whatever state a document is in, also for none."""


Result: TypeAlias = State | DocumentRejected | Outage
"""The written document's state, or why it was not written."""


async def write_in_bulk(
    elasticsearch: AsyncElasticsearch, index: str, writes: Iterable[Write], spans: Spans, *, writers: str = ""
) -> dict[str, Result]:
    """Writes documents in as many requests as their size asks for; answers each one's result by its id.

    After an outage it is not known whether a document was written.

    Args:
        writers: the alias that the index must have for anything to be written.
    """
    results: dict[str, Result] = {}
    for ids, body in _portions(writes):
        parents = (span for id_ in ids for span in spans.get(id_, ()))
        try:
            with (
                under_each(parents, f"bulk {index}", _attributes(index, len(ids)), SpanKind.CLIENT),
                as_outage(),
            ):
                response = await elasticsearch.bulk(
                    index=writers or index, operations=cast("Any", body), require_alias=bool(writers)
                )
        except ReadModelAway as outage:
            results.update(dict.fromkeys(ids, outage))
        else:
            items = (next(iter(item.values())) for item in response["items"])
            results.update({id_: _result(item) for id_, item in zip(ids, items, strict=True)})
    return results


def _portions(writes: Iterable[Write]) -> Iterator[tuple[Sequence[str], bytes]]:
    """The requests' bodies, and the ids of the documents in each."""
    ids: list[str] = []
    body = BytesIO()
    for write in writes:
        lines = _encoded(_action(write)) + _encoded(write.body)
        if ids and body.tell() + len(lines) > _MOST_BYTES:
            yield ids, body.getvalue()
            ids, body = [], BytesIO()
        ids.append(write.id)
        body.write(lines)
    if ids:
        yield ids, body.getvalue()


def _action(write: Write) -> Mapping[str, Any]:
    if write.over is None:
        return {"create": {"_id": write.id}}
    if write.over == ANY:
        return {"index": {"_id": write.id}}
    return {"index": {"_id": write.id, "if_seq_no": write.over.seq_no, "if_primary_term": write.over.primary_term}}


def _encoded(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a number beyond 64 bits: let Elasticsearch refuse it, and this item alone
        return json.dumps(line).encode() + b"\n"


def _result(item: Mapping[str, Any]) -> Result:
    return item_failure(item) if "error" in item else State(item["_seq_no"], item["_primary_term"])


def _attributes(index: str, count: int) -> Mapping[str, str | int]:
    return {
        DB_SYSTEM_NAME: "elasticsearch",
        DB_COLLECTION_NAME: index,
        DB_OPERATION_NAME: "bulk",
        DB_OPERATION_BATCH_SIZE: count,
    }
