"""Watches orders: their present state, then every change.

Both are read by the order of writing (see `changed_orders`), so that one position says what was sent: the present
state is what changed since ever. That leaves no gap between the two, and any server can go on from a position.
"""

import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from opentelemetry import trace

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.resume_token_pb2 import ResumeTokenContents
from query_service import order_filter, shown_views
from query_service.change_feed import Batch, ChangeFeed
from query_service.changed_orders import ChangedOrder, ChangedOrders, Head
from query_service.order_filter import Condition
from query_service.order_query import watch_digest
from query_service.resume_token import ResumeTokens

Response = queries_pb2.WatchOrdersResponse
_BEGINNING = -1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a watch is.

    Args:
        generation: of the index that it follows.
        position: up to which it was told everything.
        present_until: up to which it is told the present state: nothing that it never had needs to be removed.
    """

    generation: str
    position: int
    present_until: int


class WatchOrders:
    """The use case WatchOrders.

    Args:
        heartbeat_seconds: how long nothing is sent before a heartbeat.
    """

    def __init__(
        self, feed: ChangeFeed, changed: ChangedOrders, tokens: ResumeTokens, *, heartbeat_seconds: float
    ) -> None:
        self._feed = feed
        self._changed = changed
        self._tokens = tokens
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, request: queries_pb2.WatchOrdersRequest) -> AsyncGenerator[Response, None]:
        """What to know about the orders, for ever.

        Raises:
            ServiceError: each that the contract names for WatchOrders.
        """
        trace.get_current_span().set_attribute("orderflow.query.type", "WatchOrders")
        asked = order_filter.normalized(request.filter)
        watch = _Watch(watch_digest(asked), order_filter.conditions(asked), asked.customer_id, self._tokens)
        watch.start(request.resume_token)
        async with self._feed.watched(), aclosing(self._messages(watch)) as messages:
            async for message in messages:
                yield message

    async def _messages(self, watch: "_Watch") -> AsyncGenerator[Response, None]:
        sent_at = time.monotonic()
        while True:
            head = await self._feed.head()
            async with aclosing(self._due(watch, head)) as due:
                async for message in due:
                    yield message
                    sent_at = time.monotonic()
            quiet = self._heartbeat_seconds - (time.monotonic() - sent_at)
            if quiet <= 0:
                yield watch.said(heartbeat=Response.Heartbeat())
                sent_at, quiet = time.monotonic(), self._heartbeat_seconds
            await self._feed.news_after(watch.place.generation, watch.place.position, quiet)

    async def _due(self, watch: "_Watch", head: Head) -> AsyncGenerator[Response, None]:
        """What the watch is to be told by now, or a part of it."""
        if watch.place.generation != head.generation:
            is_new = not watch.place.generation
            watch.restart(head)
            if not is_new:
                yield watch.said(reset=Response.Reset())
        batch = self._feed.next(head.generation, watch.place.position) if watch.is_caught_up else None
        if batch:
            for message in watch.changes(batch):
                yield message
            watch.move(batch.to)
        elif watch.place.position < head.position:
            async with aclosing(self._missed(watch, head)) as missed:
                async for message in missed:
                    yield message
            watch.move(head.position)
        if not watch.is_caught_up:
            watch.is_caught_up = True
            yield watch.said(caught_up=Response.CaughtUp())

    async def _missed(self, watch: "_Watch", head: Head) -> AsyncGenerator[Response, None]:
        """All up to the head, read from the index: at first the present state, then what changed since."""
        until = min(head.position, watch.place.present_until)
        for to, conditions in ((until, watch.conditions), (head.position, watch.lasting)):
            async with aclosing(self._changed.between(head.index, watch.place.position, to, conditions)) as pages:
                async for orders in pages:
                    for message in watch.told(orders):
                        yield message
            watch.move(to)


class _Watch:
    """What one caller watches, where it is, and the messages to it."""

    def __init__(self, digest: bytes, conditions: list[Condition], customer_id: str, tokens: ResumeTokens) -> None:
        self.conditions = conditions
        self.lasting = order_filter.lasting(conditions)
        self.place = _Place("", _BEGINNING, _BEGINNING)
        self.is_caught_up = False
        self._digest = digest
        self._customer_id = customer_id
        self._tokens = tokens

    def start(self, token: str) -> None:
        """Goes on where a token says; without one, from the present state.

        Raises:
            TokenInvalid: the token is not one of this watch.
        """
        if token:
            contents = self._tokens.read(token, self._digest)
            self.place = _Place(contents.index_generation, *map(int, contents.sort_values))

    def restart(self, head: Head) -> None:
        """Goes to the beginning of the present state of another index."""
        self.place = _Place(head.generation, _BEGINNING, head.position)
        self.is_caught_up = False

    def move(self, position: int) -> None:
        """Everything up to a position was told, if not more."""
        self.place = replace(self.place, position=max(position, self.place.position))

    def changes(self, batch: Batch) -> Iterator[Response]:
        """What a batch means to this watch."""
        orders = batch.by_customer.get(self._customer_id, ()) if self._customer_id else batch.orders
        return self.told([each for each in orders if order_filter.meets(each.fields, self.lasting)])

    def told(self, orders: Iterable[ChangedOrder]) -> Iterator[Response]:
        """Orders that meet the lasting conditions, as they are now or as no longer admitted."""
        for each in orders:
            self.move(each.position)
            message = self.said()
            if order_filter.meets(each.fields, self.conditions):
                shown_views.merge(message.order, each.view)
            else:
                message.removed_order_id = each.fields["order_id"]
            yield message

    def said(self, **change: Response.CaughtUp | Response.Heartbeat | Response.Reset) -> Response:
        """A message after which the watch is where it is now."""
        place = self.place
        token = self._tokens.issue(
            ResumeTokenContents(
                query_digest=self._digest,
                index_generation=place.generation,
                sort_values=[str(place.position), str(place.present_until)],
            )
        )
        return Response(resume_token=token, **change)  # type: ignore[arg-type]
