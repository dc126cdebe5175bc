"""Writes documents in bulk and judges each one's result: Elasticsearch answers 200 even when items fail."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    """Names one state of a document: each write makes another."""

    seq_no: int
    primary_term: int


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
    for portion in _portions(writes):
        ids = list(portion)
        lines = b"\n".join(line for both in portion.values() for line in both)
        parents = (span for id_ in ids for span in spans.get(id_, ()))
        try:
            with (
                under_each(parents, f"bulk {index}", _attributes(index, len(ids)), SpanKind.CLIENT),
                as_outage(),
            ):
                response = await elasticsearch.bulk(
                    index=writers or index, operations=cast("Any", lines), require_alias=bool(writers)
                )
        except ReadModelAway as outage:
            results.update(dict.fromkeys(ids, outage))
        else:
            items = (next(iter(item.values())) for item in response["items"])
            results.update({id_: _result(item) for id_, item in zip(ids, items, strict=True)})
    return results


def _portions(writes: Iterable[Write]) -> Iterator[dict[str, Sequence[bytes]]]:
    """The requests' lines by the documents' ids."""
    portion: dict[str, Sequence[bytes]] = {}
    size = 0
    for write in writes:
        lines = _lines(write)
        size += sum(map(len, lines))
        if portion and size > _MOST_BYTES:
            yield portion
            portion, size = {}, sum(map(len, lines))
        portion[write.id] = lines
    if portion:
        yield portion


def _lines(write: Write) -> Sequence[bytes]:
    action: dict[str, Any] = {"create": {"_id": write.id}}
    if write.over == ANY:
        action = {"index": {"_id": write.id}}
    elif write.over is not None:
        action = {
            "index": {"_id": write.id, "if_seq_no": write.over.seq_no, "if_primary_term": write.over.primary_term}
        }
    return [_encode(line) for line in (action, write.body)]


def _encode(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line)
    except orjson.JSONEncodeError:  # a number beyond 64 bits: it is Elasticsearch that refuses it, and this item alone
        return json.dumps(line).encode()


def _result(item: Mapping[str, Any]) -> Result:
    return item_failure(item) if "error" in item else State(item["_seq_no"], item["_primary_term"])


def _attributes(index: str, count: int) -> Mapping[str, str | int]:
    return {
        DB_SYSTEM_NAME: "elasticsearch",
        DB_COLLECTION_NAME: index,
        DB_OPERATION_NAME: "bulk",
        DB_OPERATION_BATCH_SIZE: count,
    }
