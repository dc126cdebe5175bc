"""What a caller must see, from its consistency tokens, and the wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from opentelemetry import metrics, trace

from orderflow.common.v1 import consistency_pb2
from query_service.deadline import Deadline
from query_service.errors import EventualConsistencyTimeout
from service_kit import consistency_token
from service_kit.consistency_token import TokenInvalid
from service_kit.metrics import SECONDS_BUCKETS
from service_kit.telemetry import span_context_of

_AGGREGATE_TYPES = ("order", "customer", "stock_item")
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 0.2
"""What is kept of the caller's deadline, so that it learns of a wait in vain instead of a deadline missed."""
_OUTCOME = "orderflow.consistency.outcome"
_waits = metrics.get_meter("query_service").create_histogram(
    "orderflow.consistency.wait",
    unit="s",
    description="How long queries waited that did not see at once what they had to, by whether they saw it.",
    explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
)
Visible = TypeVar("Visible")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The versions that an answer must show, by id; of what it does not show at all there is nothing to wait for."""

    orders: Mapping[str, int]
    customers: Mapping[str, int]
    stock_items: Mapping[str, int]
    token_count: int


def wanted_by(tokens: Sequence[str]) -> Wanted:
    """What the tokens name; the current span is linked to their commands' traces.

    Raises:
        TokenInvalid: one of them is not a token of this system.
    """
    contents = [_contents(token, f"consistency_tokens[{index}]") for index, token in enumerate(tokens)]
    _link_traces(each.traceparent for each in contents)
    orders, customers, stock_items = (_versions(each, contents) for each in _AGGREGATE_TYPES)
    return Wanted(orders, customers, stock_items, len(tokens))


async def wait_until_visible(
    attempt: Callable[[], Awaitable[Visible]], longest_seconds: float, deadline: Deadline
) -> tuple[Visible, timedelta]:
    """Tries about every 100 ms until an attempt succeeds; answers its result and how long it was waited for.

    Raises:
        EventualConsistencyTimeout: the last attempt's, when the next one would come too late.
    """
    begin = time.monotonic()
    end = begin + deadline.within(longest_seconds + _ANSWER_SECONDS) - _ANSWER_SECONDS
    waited = 0.0
    while True:
        try:
            visible = await attempt()
        except EventualConsistencyTimeout:
            if time.monotonic() + _POLL_SECONDS > end:
                _waits.record(time.monotonic() - begin, {_OUTCOME: "not_seen"})
                raise
        else:
            if waited:
                _waits.record(time.monotonic() - begin, {_OUTCOME: "seen"})
            return visible, timedelta(seconds=waited)
        await asyncio.sleep(_POLL_SECONDS)
        waited = time.monotonic() - begin


def _contents(token: str, field: str) -> consistency_pb2.ConsistencyTokenContents:
    contents = consistency_token.decode(token, field=field)
    if contents.aggregate_type not in _AGGREGATE_TYPES:
        raise TokenInvalid.of(field, "not a token of this system")
    return contents


def _versions(aggregate_type: str, contents: Iterable[consistency_pb2.ConsistencyTokenContents]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for each in contents:
        if each.aggregate_type == aggregate_type:
            versions[each.aggregate_id] = max(each.version, versions.get(each.aggregate_id, 0))
    return versions


def _link_traces(traceparents: Iterable[str]) -> None:
    span = trace.get_current_span()
    for traceparent in set(traceparents):
        context = span_context_of(traceparent)
        if context.is_valid:
            span.add_link(context)
