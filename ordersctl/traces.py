"""Traces as Jaeger's query API tells them: read, and drawn as a tree."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from rich.text import Text
from rich.tree import Tree

from ordersctl.errors import CallFailed, Failure
from ordersctl.output import printable

_ERROR = 2  # OTLP's status code
_NAMED = (
    "rpc.response.status_code",
    "orderflow.error.reason",
    "orderflow.append.batch_size",
    "orderflow.event.count",
    "orderflow.cache.hit",
)
"""Attributes that are shown, by the last part of their names."""


@dataclass(frozen=True)
class Span:
    """A span as Jaeger has it; times in nanoseconds since 1970."""

    span_id: str
    parent_id: str
    service: str
    name: str
    kind: int
    start: int
    end: int
    attributes: Mapping[str, Any]
    links: Sequence[str]
    is_error: bool


class Jaeger:
    """Jaeger's query API.

    Args:
        url: its address, `http://HOST:PORT`.
        timeout: seconds that an answer may take.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout

    def link(self, trace_id: str) -> str:
        """Where a browser shows the trace."""
        return f"{self._url}/trace/{trace_id}"

    async def spans(self, trace_id: str) -> Sequence[Span]:
        """The spans of a trace that have come so far, by their beginning; none where it is not known.

        Raises:
            CallFailed: Jaeger cannot be reached, or what answers is not Jaeger.
        """
        return await asyncio.to_thread(self._spans, trace_id)

    def _spans(self, trace_id: str) -> Sequence[Span]:
        address = f"{self._url}/api/v3/traces/{trace_id}"
        try:
            with urllib.request.urlopen(address, timeout=self._timeout) as answer:  # noqa: S310 -- http, as checked
                found = json.load(answer)["result"]["resourceSpans"]
                return sorted(_read(found), key=lambda span: span.start)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:  # noqa: PLR2004
                return ()
            raise self._away(f"answers {error.code}") from error
        except OSError as error:
            raise self._away(f"cannot be reached: {getattr(error, 'reason', error)}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise self._away("does not answer as Jaeger 2 does") from error

    def _away(self, why: str) -> CallFailed:
        advice = "`make jaeger` builds it and `make run` starts it; ORDERFLOW_JAEGER_URL names another"
        return CallFailed(Failure(code=grpc.StatusCode.UNAVAILABLE, message=f"{self._url} {why}", advised=advice))


def drawn(trace_id: str, spans: Sequence[Span]) -> Tree:
    """The spans as a tree, each under its parent; those whose parent is not there are roots."""
    begin = min(span.start for span in spans)
    milliseconds = (max(span.end for span in spans) - begin) / 1e6
    services = len({span.service for span in spans})
    title = Text.assemble(
        (f"trace {trace_id}", "bold"), f"  {len(spans)} spans of {services} services, {milliseconds:.0f} ms"
    )
    tree = Tree(title)
    nodes = {"": tree}
    known = {span.span_id for span in spans}
    waiting = list(spans)
    while waiting:
        placed = [span for span in waiting if span.parent_id not in known or span.parent_id in nodes]
        if not placed:  # spans that are each other's parents
            break
        for span in placed:
            parent = nodes.get(span.parent_id, tree)
            nodes[span.span_id] = parent.add(_line(span, begin))
        waiting = [span for span in waiting if span.span_id not in nodes]
    return tree


def as_facts(span: Span) -> Mapping[str, Any]:
    """A span for programs."""
    return {
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "service": span.service,
        "name": span.name,
        "start_unix_nano": span.start,
        "duration_ms": (span.end - span.start) / 1e6,
        "error": span.is_error,
        "attributes": dict(span.attributes),
        "links": list(span.links),
    }


def _line(span: Span, begin: int) -> Text:
    facts = [
        f"{name.rpartition('.')[2]}={printable(str(span.attributes[name]))}"
        for name in _NAMED
        if span.attributes.get(name) not in (None, "OK")
    ]
    return Text.assemble(
        (printable(span.name), "red" if span.is_error else ""),
        (f"  {printable(span.service)}", "cyan"),
        f"  {(span.end - span.start) / 1e6:.1f} ms",
        (f" at {(span.start - begin) / 1e6:.1f}", "dim"),
        (f"  {' '.join(facts)}" if facts else "", "dim"),
    )


def _read(resources: Sequence[Any]) -> Sequence[Span]:
    return [
        Span(
            span_id=span["spanId"],
            parent_id=span.get("parentSpanId", ""),
            service=str(_attributes(resource["resource"]).get("service.name", "")),
            name=span["name"],
            kind=span.get("kind", 0),
            start=int(span["startTimeUnixNano"]),
            end=int(span["endTimeUnixNano"]),
            attributes=_attributes(span),
            links=[link["traceId"] for link in span.get("links", ())],
            is_error=span.get("status", {}).get("code") == _ERROR,
        )
        for resource in resources
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def _attributes(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    return {each["key"]: _value(each["value"]) for each in holder.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    ((kind, found),) = value.items()
    return int(found) if kind == "intValue" else found
