"""Turns messages of orders into hints: an order was created, or something has happened to one that is open."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog
from confluent_kafka import Message
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from command_service.errors import StoreUnavailable
from command_service.fulfillment.open_fulfillments import Hint, OpenFulfillments
from event_schemas.aggregates import ORDER
from event_schemas.event_types import UnknownEvent
from orderflow.orders.v1 import events_pb2 as order_events
from orderflow.orders.v1 import order_pb2
from service_kit import fail_points
from service_kit.cloudevents import text_headers

_CREATED = order_events.OrderCreated.DESCRIPTOR.full_name
_log = structlog.get_logger("command_service.fulfillment")


class HintHandler:
    """Handles messages of the orders' topic. One counts as finished when its hint is in the database.

    Nothing is read of a message that decides anything: a message that cannot be read is a hint all the same.

    Args:
        hinted: told whenever there is something to look at.
        at_outage: called when the database is away, before it is tried again.
    """

    def __init__(
        self,
        open_fulfillments: OpenFulfillments,
        stop: asyncio.Event,
        *,
        hinted: Callable[[], None],
        at_outage: Callable[[], Awaitable[None]],
    ) -> None:
        self._open = open_fulfillments
        self._stop = stop
        self._hinted = hinted
        self._at_outage = at_outage

    async def assigned(self) -> None:
        """Nothing: what is open is in the database."""

    async def handle(self, messages: Sequence[Message]) -> None:
        """Stores the hints.

        Raises:
            StoreUnavailable: the database is away, and the process is to stop.
        """
        created: dict[UUID, Hint] = {}
        changed: dict[UUID, Hint] = {}
        for message in messages:
            hint = _hint(message)
            if hint is not None:
                (created if _may_begin(message) else changed)[hint.order_id] = hint
        if created:
            await self._until_stored(partial(self._open.open, list(created.values())))
        rest = [hint for order_id, hint in changed.items() if order_id not in created]
        if rest:
            await self._until_stored(partial(self._open.nudge, rest))
        fail_points.reach("fulfillment.hinted")
        self._hinted()

    async def condemn(self, message: Message) -> None:
        """Stores the hint that the message's key alone gives."""
        key = message.key()
        order_id = _uuid(key.decode("utf-8", "replace") if isinstance(key, bytes) else key or "")
        if order_id is not None:
            await self._until_stored(partial(self._open.open, [Hint(order_id)]))

    async def _until_stored(self, store: Callable[[], Awaitable[None]]) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            stop=lambda _: self._stop.is_set(),
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                try:
                    await store()
                except StoreUnavailable:
                    await self._at_outage()
                    raise


def _hint(message: Message) -> Hint | None:
    headers = _headers(message)
    order_id = _uuid(headers.get("ce_subject", ""))
    if order_id is None or headers.get("ce_aggregatetype") != ORDER.type:
        _log.error("no order's message", partition=message.partition(), offset=message.offset())
        return None
    return Hint(order_id, (headers.get("traceparent", ""), headers.get("tracestate", "")))


def _may_begin(message: Message) -> bool:
    """Whether the message may be what a fulfillment begins with."""
    event_type = _headers(message).get("ce_type", "")
    try:
        event = ORDER.events.parse(event_type, message.value() or b"")
    except UnknownEvent:
        return True
    return event_type == _CREATED and event.fulfillment_mode == order_pb2.FULFILLMENT_MODE_AUTOMATIC


def _headers(message: Message) -> Mapping[str, str]:
    headers = message.headers() or []
    return text_headers(list(headers.items()) if isinstance(headers, dict) else headers)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
