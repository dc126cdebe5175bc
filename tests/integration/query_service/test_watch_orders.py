"""WatchOrders: the present state, then every change, without a gap, whatever breaks in between."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_CONFIRMED, ORDER_STATUS_PENDING, ORDER_STATUS_SHIPPED
from orderflow.orders.v1.queries_pb2 import OrderFilter
from query_service import change_feed
from read_models import orders_index
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.views import CREATE_TIME_US, CUSTOMER_ID, an_order, euros, newer
from tests.integration.query_service.watched import watching
from tests.support.eventually import eventually
from tests.support.long_form import quick_or_long

_SOON = {"watch_poll_seconds": 0.02}
_OTHER_CUSTOMER = "0190c0de-0000-7000-8000-00000000000a"
_PENDING = OrderFilter(statuses=[ORDER_STATUS_PENDING])


@pytest.fixture
async def queries(start_service: StartService) -> Queries:
    return await start_service(**_SOON)


async def test_the_present_state_comes_first_then_that_it_is_complete_then_changes(
    read_model: ReadModel, queries: Queries
) -> None:
    first, second = an_order(), an_order()
    await read_model.write([first, second])
    async with watching(queries) as watched:
        await watched.until_caught_up()
        assert watched.orders == {first.order_id: first, second.order_id: second}
        third = an_order()
        await read_model.write([newer(first), third])
        await watched.until({first.order_id: 2, second.order_id: 1, third.order_id: 1})
        assert watched.orders[first.order_id] == newer(first)
        assert (watched.removed, watched.caught_up, watched.resets) == ([], 1, 0)


async def test_an_empty_state_is_complete_at_once(queries: Queries) -> None:
    async with watching(queries) as watched:
        assert (await watched.one()).HasField("caught_up")


@pytest.mark.parametrize(
    ("filter_", "leaving"),
    [
        (_PENDING, {"status": ORDER_STATUS_CONFIRMED}),
        (OrderFilter(max_total=euros(20)), {"total_amount": euros(30)}),
        (OrderFilter(customer_id=CUSTOMER_ID, statuses=[ORDER_STATUS_PENDING]), {"status": ORDER_STATUS_SHIPPED}),
    ],
    ids=["status", "total", "customer-and-status"],
)
async def test_an_order_that_leaves_the_filter_is_told_and_one_that_comes_back_too(
    filter_: OrderFilter, leaving: dict[str, Any], read_model: ReadModel, queries: Queries
) -> None:
    order = an_order()
    await read_model.write([order])
    async with watching(queries, filter=filter_) as watched:
        await watched.until_caught_up()
        away = newer(order, **leaving)
        await read_model.write([away])
        await watched.until({})
        assert watched.removed == [order.order_id]
        back = newer(away)
        back.status, back.total_amount.units = order.status, order.total_amount.units
        await read_model.write([back])
        await watched.until({order.order_id: 3})


async def test_orders_that_a_filter_can_never_admit_are_not_even_named(read_model: ReadModel, queries: Queries) -> None:
    theirs, others = an_order(), an_order(customer_id=_OTHER_CUSTOMER)
    await read_model.write([theirs, others])
    asked = OrderFilter(customer_id=CUSTOMER_ID.upper(), statuses=[ORDER_STATUS_PENDING])
    async with watching(queries, filter=asked) as watched:
        await watched.until_caught_up()
        await read_model.write([newer(others, status=ORDER_STATUS_SHIPPED), an_order(customer_id=_OTHER_CUSTOMER)])
        await read_model.write([newer(theirs)])
        await watched.until({theirs.order_id: 2})
        assert watched.order_ids == [theirs.order_id] * 2
        assert watched.removed == []


@pytest.mark.parametrize(
    "filter_",
    [
        OrderFilter(),
        OrderFilter(customer_id=_OTHER_CUSTOMER.upper()),
        OrderFilter(statuses=[ORDER_STATUS_SHIPPED, ORDER_STATUS_CONFIRMED]),
        OrderFilter(tracking_number="T-1"),
        OrderFilter(tracking_number="t-1"),
        OrderFilter(min_total=euros(12)),
        OrderFilter(min_total=euros(12, 1), max_total=euros(30)),
        OrderFilter(max_total=Money(currency_code="JPY", units=5000)),
        OrderFilter(create_time_range=Interval(end_time=Timestamp(seconds=CREATE_TIME_US // 10**6))),
        OrderFilter(create_time_range=Interval(start_time=Timestamp(seconds=CREATE_TIME_US // 10**6))),
    ],
    ids=str,
)
async def test_changes_are_filtered_as_lists_are(filter_: OrderFilter, read_model: ReadModel, queries: Queries) -> None:
    orders = [
        an_order(),
        an_order(customer_id=_OTHER_CUSTOMER, status=ORDER_STATUS_CONFIRMED),
        an_order(status=ORDER_STATUS_SHIPPED, tracking_number="T-1"),
        an_order(total_amount=euros(30)),
        an_order(total_amount=Money(currency_code="JPY", units=5000)),
        an_order(create_time_us=CREATE_TIME_US - 1),
    ]
    async with watching(queries, filter=filter_) as watched, watching(queries) as all_:
        await watched.until_caught_up()
        await all_.until_caught_up()
        await read_model.put(*orders)
        await all_.until({each.order_id: 1 for each in orders})
        listed = [each.order_id for chunk in await queries.list_(filter=filter_) for each in chunk.orders]
        await watched.until(dict.fromkeys(listed, 1))
        assert not set(watched.removed) & set(listed)


async def test_a_present_state_of_many_pages_names_nothing_that_is_not_admitted(
    read_model: ReadModel, queries: Queries
) -> None:
    pending = [an_order() for _ in range(450)]
    await read_model.write(pending + [an_order(status=ORDER_STATUS_SHIPPED) for _ in range(300)])
    async with watching(queries, filter=_PENDING) as watched:
        await watched.until_caught_up()
        assert sorted(watched.order_ids) == sorted(each.order_id for each in pending)
        assert watched.removed == []


async def test_while_nothing_changes_the_watch_says_that_it_lives(start_service: StartService) -> None:
    queries = await start_service(**_SOON, watch_heartbeat_seconds=0.1)
    async with watching(queries) as watched:
        await watched.until_caught_up()
        for _ in range(3):
            assert (await watched.one()).HasField("heartbeat")


async def test_from_any_message_on_another_server_goes_on_without_a_gap(
    read_model: ReadModel, queries: Queries, start_service: StartService
) -> None:
    other = await start_service(**_SOON)
    orders = [an_order() for _ in range(5)]
    await read_model.write(orders)
    gone, changed = newer(orders[0], status=ORDER_STATUS_SHIPPED), newer(orders[4])
    async with watching(queries, filter=_PENDING) as whole:
        await whole.one()
        tokens = [(whole.token, dict(whole.orders))]
        while not whole.caught_up:
            await whole.one()
            tokens.append((whole.token, dict(whole.orders)))
    await read_model.write([gone, changed])
    wanted = {each.order_id: each.version for each in (*orders[1:4], changed)}
    for token, known in tokens:
        async with watching(other, filter=_PENDING, resume_token=token) as rest:
            rest.orders = dict(known)
            await rest.until_caught_up()
            await rest.until(wanted)
            assert rest.resets == 0
            assert len(rest.order_ids) + len(known) <= 6


async def test_what_changes_while_the_present_state_is_sent_is_neither_lost_nor_sent_in_the_wrong_order(
    read_model: ReadModel, queries: Queries
) -> None:
    orders = [an_order() for _ in range(600)]
    await read_model.write(orders)
    versions = {each.order_id: 1 for each in orders}

    async def change() -> None:
        for number in range(20):
            mine = orders[number::20]
            for version in (2, 3):
                for each in mine:
                    each.version = versions[each.order_id] = version
                await read_model.write(mine)

    async with watching(queries) as watched:
        await watched.one()
        changing = asyncio.create_task(change())
        await watched.until_caught_up()
        await changing
        await watched.until(versions)


async def test_a_watcher_that_does_not_read_is_sent_the_newest_state_of_each_order_later(
    read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service(**_SOON, watch_kept_changes=300)
    orders = [an_order(cancel_reason="x" * 40_000) for _ in range(100)]
    await read_model.write(orders)
    async with watching(queries) as slow, watching(queries) as quick:
        await slow.until_caught_up()
        await quick.until_caught_up()
        for version in range(2, 8):  # 4 MB each: more than what lies between server and client takes
            for each in orders:
                each.version = version
            await read_model.write(orders)
            await quick.until({each.order_id: version for each in orders})
        await slow.until({each.order_id: 7 for each in orders})
        assert len(slow.order_ids) < len(quick.order_ids) == 100 * 7


async def test_after_a_rebuild_everything_comes_anew(read_model: ReadModel, queries: Queries) -> None:
    stays, leaves = an_order(), an_order()
    await read_model.write([stays, leaves])
    async with watching(queries, filter=_PENDING) as watched:
        await watched.until_caught_up()
        token = watched.token
        async with read_model.next_generation() as index:
            for view in (stays, newer(leaves, status=ORDER_STATUS_SHIPPED)):
                document = orders_index.document(view, project_time_us=1)
                await read_model.client.index(index=index, id=view.order_id, document=document)
            await read_model.switch(index)
            await watched.until_caught_up()
            assert (watched.resets, watched.removed) == (1, [])
            assert watched.orders == {stays.order_id: stays}
            async with watching(queries, filter=_PENDING, resume_token=token) as resumed:
                await resumed.until_caught_up()
                assert (resumed.resets, list(resumed.orders)) == (1, [stays.order_id])


async def test_an_index_whose_shard_is_not_assigned_ends_watches_and_is_followed_once_it_is(
    read_model: ReadModel, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "_PATIENCE_SECONDS", 0.1)
    order = an_order()
    async with watching(queries) as watched, read_model.unassigned_generation() as index:
        await watched.until_caught_up()
        await read_model.switch(index)
        refusal = await refusal_of(watched.one())
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_MODEL_UNAVAILABLE")
        async with watching(queries) as too_early:
            assert (await refusal_of(too_early.one())).reason == "READ_MODEL_UNAVAILABLE"
        await read_model.assign(index)
        async with watching(queries) as again:
            await again.until_caught_up()
            await read_model.client.index(
                index=index, id=order.order_id, document=orders_index.document(order, project_time_us=1)
            )
            await again.until({order.order_id: 1})


async def test_a_document_that_is_no_order_is_passed_over_until_it_is_repaired(
    read_model: ReadModel, queries: Queries
) -> None:
    odd, sound, later = (an_order() for _ in range(3))
    document = orders_index.document(odd, project_time_us=1)
    anothers = orders_index.document(an_order(), project_time_us=1)["view"]
    views = [{**document, "view": view} for view in ("AAA=", "", anothers)]
    without = {name: value for name, value in document.items() if name != "customer_id"}
    async with watching(queries) as watched:
        await watched.until_caught_up()
        await read_model.write([sound])
        for each in (*views, without):
            await read_model.client.index(index=read_model.index, id=odd.order_id, document=each)
            sound = newer(sound)
            await read_model.write([sound])
            await watched.until({sound.order_id: sound.version})
            async with watching(queries) as fresh:
                await fresh.until_caught_up()
                assert list(fresh.orders) == [sound.order_id]
        await read_model.write([odd, later])
        await watched.until({sound.order_id: sound.version, odd.order_id: 1, later.order_id: 1})


async def test_a_token_is_good_for_its_own_filter_only(queries: Queries) -> None:
    async with watching(queries) as watched:
        await watched.until_caught_up()

    async def other() -> None:
        async with watching(queries, filter=_PENDING, resume_token=watched.token) as wrong:
            await wrong.one()

    refusal = await refusal_of(other())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOKEN_INVALID")


async def test_no_more_watch_than_may_and_who_leaves_makes_room(start_service: StartService) -> None:
    queries = await start_service(**_SOON, watches_at_once=2)
    async with watching(queries) as first:
        await first.until_caught_up()
        async with watching(queries) as second:
            await second.until_caught_up()
            async with watching(queries) as third:
                refusal = await refusal_of(third.one())
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")

        async def has_room() -> bool:  # once the server knows that the second has gone
            async with watching(queries) as fourth:
                try:
                    return bool(await fourth.until_caught_up())
                except grpc.aio.AioRpcError:
                    return False

        await eventually(has_room)


@pytest.mark.long
async def test_a_thousand_watch_at_once(read_model: ReadModel, queries: Queries) -> None:
    orders = [an_order(customer_id=f"0190c0de-0000-7000-8000-{number:012d}") for number in range(100)]
    await read_model.write(orders)

    async def watch(customer_id: str) -> None:
        async with watching(queries, filter=OrderFilter(customer_id=customer_id)) as watched:
            await watched.until_caught_up()
            (order_id,) = watched.orders
            ready.release()
            await watched.until({order_id: 2})

    ready = asyncio.Semaphore(0)
    count = quick_or_long(100, 1000)
    watchers = [asyncio.create_task(watch(orders[number % 100].customer_id)) for number in range(count)]
    for _ in watchers:
        async with asyncio.timeout(60):
            await ready.acquire()
    await read_model.write([newer(each) for each in orders])
    await asyncio.gather(*watchers)
