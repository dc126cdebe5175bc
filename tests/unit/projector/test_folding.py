"""Which events of an order are folded, whatever comes in."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from event_schemas import orders as order_events
from event_schemas.aggregates import Aggregate
from orderflow.orders.v1 import views_pb2
from projector.errors import EventsMissing, Undecodable, Unfoldable
from projector.event_log import EventLog, History
from projector.events import AnyEvent, Events, ReadableEvent, UnreadableEvent
from projector.folding import Failure, Folding
from read_models import orders
from read_models.orders import ORDERS
from tests.unit.read_models.builders import ORDER, confirmed, created, delivered, euros, paid, shipped

_HISTORY: list[order_events.OrderEvent] = [created(), paid(euros(20)), confirmed(), shipped(), delivered()]
_EVENTS = {version: ReadableEvent("order", ORDER, version, event) for version, event in enumerate(_HISTORY, start=1)}


class EventLogInMemory(EventLog):
    """Has the whole history, or nothing; remembers what was read."""

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty
        self.reads: list[tuple[int, int]] = []

    async def history(
        self, aggregate: Aggregate[Any], id_: str, after: int, to: int = 0, skips: Collection[int] = ()
    ) -> History:
        """The range, unless it has nothing."""
        self.reads.append((after, to))
        found = [_EVENTS[version] for version in range(after + 1, to + 1)]
        missing = EventsMissing(id_)
        events: Events = [
            UnreadableEvent(aggregate.type, id_, each.version, missing)
            if self._empty or each.version in skips
            else each
            for each in found
        ]
        return History(events, [])


async def folded(
    before: views_pb2.OrderView | None, events: Events, event_log: EventLog, skips: Collection[int] = ()
) -> tuple[views_pb2.OrderView | None, Failure | None]:
    """What the fold makes of them."""
    return await Folding(ORDERS, event_log).folded(ORDER, before, events, skips)


def _at(version: int) -> views_pb2.OrderView | None:
    """The view that the history has up to a version."""
    view = None
    for event in list(_EVENTS.values())[:version]:
        view = orders.evolve(view, event.event, event.version)
    return view


@pytest.mark.parametrize(
    ("present", "come", "reads"),
    [
        (0, [1], []),
        (0, [1, 2, 3], []),
        (2, [3], []),
        (2, [1, 2, 3], []),
        (0, [1, 1, 2, 1, 2, 3], []),
        (0, [2], [(0, 1)]),
        (1, [4], [(1, 3)]),
        (0, [1, 3, 2, 5], [(1, 2), (3, 4)]),
    ],
)
async def test_each_event_is_folded_once_and_in_order(
    present: int, come: list[int], reads: list[tuple[int, int]]
) -> None:
    log = EventLogInMemory()
    assert await folded(_at(present), [_EVENTS[each] for each in come], log) == (_at(max(come)), None)
    assert log.reads == reads


@pytest.mark.parametrize("come", [[1], [2, 1], [3, 3]])
async def test_of_repeats_alone_the_given_view_is_left(come: list[int]) -> None:
    view = _at(3)
    after, failure = await folded(view, [_EVENTS[each] for each in come], EventLogInMemory())
    assert after is view
    assert failure is None


async def test_what_the_log_lacks_too_is_no_reason_to_skip_it() -> None:
    view = _at(1)
    after, failure = await folded(view, [_EVENTS[3]], EventLogInMemory(empty=True))
    assert after is view
    assert failure
    assert (failure.version, type(failure.cause)) == (2, EventsMissing)


async def test_a_version_that_cannot_be_read_leaves_what_was_before_it_and_nothing_after() -> None:
    events: list[AnyEvent] = [_EVENTS[1], _EVENTS[2], _unreadable(3), _EVENTS[4]]
    after, failure = await folded(None, events, EventLogInMemory())
    assert after == _at(2)
    assert failure
    assert failure.version == 3


async def test_a_version_that_cannot_be_read_is_a_repeat_like_another_once_the_view_has_it() -> None:
    assert await folded(_at(3), [_unreadable(2), _EVENTS[4]], EventLogInMemory()) == (_at(4), None)


@pytest.mark.parametrize("come", [[5], [3, 4, 5]])
async def test_a_skipped_version_changes_nothing_but_the_version(come: list[int]) -> None:
    view, expected = _at(3), _at(3)
    assert expected
    expected.version = 4
    after, failure = await folded(view, [_EVENTS[each] for each in come], EventLogInMemory(), skips={4})
    assert after == orders.evolve(expected, delivered(), 5)
    assert failure is None


async def test_the_view_has_a_skipped_version_even_when_nothing_came_after_it() -> None:
    expected = _at(3)
    assert expected
    expected.version = 4
    assert await folded(_at(3), [_EVENTS[4]], EventLogInMemory(), skips={4}) == (expected, None)


async def test_an_orders_first_version_is_never_skipped() -> None:
    assert await folded(None, [_EVENTS[1]], EventLogInMemory(), skips={1}) == (_at(1), None)


async def test_a_fold_that_fails_is_a_defect_of_this_order() -> None:
    def broken(*_: object) -> views_pb2.OrderView:
        raise ZeroDivisionError

    folding = Folding(replace(ORDERS, evolve=broken), EventLogInMemory())
    after, failure = await folding.folded(ORDER, None, [_EVENTS[1]])
    assert after is None
    assert failure
    assert (failure.version, type(failure.cause)) == (1, Unfoldable)
    assert "ZeroDivisionError" in str(failure.cause)


def _unreadable(version: int) -> UnreadableEvent:
    return UnreadableEvent("order", ORDER, version, Undecodable("on purpose"))
