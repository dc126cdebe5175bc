"""The projector's spans. Work is done for many messages at once, yet each message's trace must show it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.semconv._incubating.attributes.messaging_attributes import (
    MESSAGING_CONSUMER_GROUP_NAME,
    MESSAGING_DESTINATION_NAME,
    MESSAGING_DESTINATION_PARTITION_ID,
    MESSAGING_KAFKA_OFFSET,
    MESSAGING_OPERATION_NAME,
    MESSAGING_OPERATION_TYPE,
    MESSAGING_SYSTEM,
)
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from service_kit.telemetry import context_of

_PROCESS = "process"
_tracer = trace.get_tracer("projector")
_silent: ContextVar[bool] = ContextVar("silent", default=False)

Spans: TypeAlias = Mapping[str, Sequence[Span]]
"""The spans that work on an aggregate belongs under, by the aggregate's id."""


@contextmanager
def silent() -> Iterator[None]:
    """No spans come of what is done within: it repeats what other traces show already."""
    token = _silent.set(True)
    try:
        with suppress_instrumentation():
            yield
    finally:
        _silent.reset(token)


def message_span(topic: str, partition: int, offset: int, group: str, headers: Mapping[str, str]) -> Span:
    """The span of a message's whole processing, in the trace that its headers name."""
    if _silent.get():
        return trace.INVALID_SPAN
    return _tracer.start_span(
        f"{_PROCESS} {topic}",
        context_of(headers),
        SpanKind.CONSUMER,
        {
            MESSAGING_SYSTEM: "kafka",
            MESSAGING_OPERATION_NAME: _PROCESS,
            MESSAGING_OPERATION_TYPE: _PROCESS,
            MESSAGING_DESTINATION_NAME: topic,
            MESSAGING_DESTINATION_PARTITION_ID: str(partition),
            MESSAGING_KAFKA_OFFSET: offset,
            MESSAGING_CONSUMER_GROUP_NAME: group,
        },
    )


def projection_span(message: Span, projection: str) -> Span:
    """The span of an event's projection, within that of its message."""
    if _silent.get():
        return trace.INVALID_SPAN
    return _tracer.start_span(f"project {projection}", trace.set_span_in_context(message))


@contextmanager
def under_each(
    parents: Iterable[Span],
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[None]:
    """Shows one piece of work in the traces of all parents: each gets a child span of the same duration.

    The first child is current meanwhile, so that what is called hangs under it; the others link to it.
    """
    distinct = list({id(parent): parent for parent in parents}.values())
    if not distinct:
        yield
        return
    children: list[Span] = []
    for parent in distinct:
        if parent.is_recording():
            links = [Link(children[0].get_span_context())] if children else []
            children.append(_tracer.start_span(name, trace.set_span_in_context(parent), kind, attributes, links))
    try:
        with trace.use_span((children or distinct)[0], record_exception=False, set_status_on_exception=False):
            yield
    except Exception as error:
        for child in children:
            child.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        for child in children:
            child.end()


@contextmanager
def beside_all(parents: Iterable[Span], name: str) -> Iterator[None]:
    """Shows work that comes after the parents' own in a trace of itself, linked to theirs where they are recorded."""
    all_parents = list(parents)
    links = [Link(parent.get_span_context()) for parent in all_parents if parent.is_recording()]
    if not links:
        yield
        return
    with _tracer.start_as_current_span(name, Context(), links=links):
        yield


@contextmanager
def replay_span(aggregate_type: str, id_: str, origins: Sequence[SpanContext]) -> Iterator[Span]:
    """The span of an aggregate's replay: in the operator's trace, linked to those of the commands."""
    if _silent.get():
        yield trace.INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        f"replay {aggregate_type}",
        attributes={f"orderflow.{aggregate_type}.id": id_},
        links=[Link(each) for each in origins],  # beyond its limit the SDK keeps the last ones
    ) as span:
        yield span
