"""Fulfillment on real servers: its journeys, its process killed anywhere, repeats, and deadlines over restarts."""

import asyncio
import signal
from collections.abc import Iterator
from datetime import datetime

import pytest
from confluent_kafka import Consumer, TopicPartition

from command_service.fulfillment.aggregate import NAMING
from orderflow.orders.v1 import order_pb2
from tests.integration.command_service.fulfilled import PIECES, Shop
from tests.integration.command_service.relays import PARTITIONS
from tests.integration.command_service.served import Start, free_address
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.servers import KAFKA_BROKERS


@pytest.fixture
def shop(start: Start, write_database: WriteDatabase) -> Iterator[Shop]:
    """A shop whose command server and relay run, without fulfillment."""
    with start():
        yield Shop(start, write_database)


async def test_an_order_is_reserved_awaits_its_payment_is_confirmed_and_taken_off_the_stock(shop: Shop) -> None:
    await shop.put(PEN=PIECES, INK=PIECES)
    with shop.fulfilling():
        order_id = await shop.order(PEN=3, INK=1)
        waiting = await shop.until(order_id, "AWAITING_PAYMENT")
        assert waiting.payment_deadline is not None
        assert (shop.item("PEN").reserved, shop.item("INK").reserved) == (3, 1)
        await shop.pay(order_id, euros=40)
        await shop.until(order_id, "AWAITING_SHIPMENT")
        assert shop.state(order_id).status == order_pb2.ORDER_STATUS_CONFIRMED
        await shop.ship(order_id)
        await shop.until(order_id, "COMPLETED")
        await shop.until_nothing_is_open()
    assert (shop.item("PEN").on_hand, shop.item("PEN").reserved) == (PIECES - 3, 0)
    assert shop.events(NAMING.id_of(order_id)) == [
        *("FulfillmentStarted", "ItemReserved", "ItemReserved", "PaymentAwaited", "PaymentCompleted"),
        *("ShipmentAwaited", "CommitmentStarted", "ItemCommitted", "ItemCommitted", "FulfillmentCompleted"),
    ]


async def test_an_order_that_runs_out_of_stock_is_cancelled_saying_so_and_gives_back_what_it_held(shop: Shop) -> None:
    await shop.put(PEN=PIECES, INK=0)
    with shop.fulfilling():
        order_id = await shop.order(PEN=3, INK=1)
        await shop.until(order_id, "CANCELLED")
    order = shop.state(order_id)
    assert order.status == order_pb2.ORDER_STATUS_CANCELLED
    assert order.cancel_reason == "INK cannot be reserved: 1 pieces are wanted, and 0 available"
    assert (shop.item("PEN").on_hand, shop.item("PEN").reserved) == (PIECES, 0)


async def test_an_order_that_nobody_pays_is_cancelled_at_its_deadline(shop: Shop) -> None:
    await shop.put(PEN=PIECES)
    with shop.fulfilling(PAYMENT_TIMEOUT_SECONDS="2"):
        order_id = await shop.order(PEN=3)
        deadline = (await shop.until(order_id, "AWAITING_PAYMENT")).payment_deadline
        await shop.until(order_id, "CANCELLED")
    assert shop.state(order_id).cancel_reason.startswith("not paid in full by ")
    assert deadline is not None
    assert recorded_at(shop, order_id, "OrderCancelled") >= deadline
    assert shop.item("PEN").reserved == 0


async def test_what_is_cancelled_or_shipped_by_hand_is_followed(shop: Shop) -> None:
    await shop.put(PEN=PIECES)
    with shop.fulfilling():
        cancelled, shipped = await shop.order(PEN=3), await shop.order(PEN=2)
        await shop.until(cancelled, "AWAITING_PAYMENT")
        await shop.cancel(cancelled)
        assert (await shop.until(cancelled, "CANCELLED")).cancel_reason == "by hand"
        await shop.pay(shipped, euros=20)
        await shop.until(shipped, "AWAITING_SHIPMENT")
        await shop.ship(shipped)
        await shop.until(shipped, "COMPLETED")
    assert (shop.item("PEN").on_hand, shop.item("PEN").reserved) == (PIECES - 2, 0)


async def test_an_order_of_manual_fulfillment_is_left_alone(shop: Shop) -> None:
    await shop.put(PEN=PIECES)
    with shop.fulfilling():
        automatic = await shop.order(PEN=1)
        by_hand = await shop.order_by_hand()
        await shop.until(automatic, "AWAITING_PAYMENT")
        later = await shop.order(PEN=1)
        await shop.until(later, "AWAITING_PAYMENT")
    assert shop.fulfillment(by_hand).version == 0
    assert shop.query("SELECT count(*) FROM open_fulfillment") == [(2,)]


async def test_the_trace_of_a_command_goes_on_in_what_comes_of_it(shop: Shop) -> None:
    await shop.put(PEN=PIECES)
    with shop.fulfilling():
        order_id = await shop.order(PEN=1)
        await shop.until(order_id, "AWAITING_PAYMENT")
    [trace_id] = shop.traces(order_id)
    assert trace_id != ""
    assert shop.traces(NAMING.id_of(order_id)) == {trace_id}


@pytest.mark.parametrize("point", ["called:1", "called:6", "recorded:1", "recorded:7", "settled:2", "hinted:1"])
async def test_a_process_that_dies_anywhere_is_followed_by_one_that_does_nothing_twice(shop: Shop, point: str) -> None:
    await shop.put(PEN=PIECES, INK=PIECES, CUP=0)
    with shop.fulfilling(FAIL_POINT=f"fulfillment.{point}") as dying:
        through, out_of_stock = await shop.order(PEN=3, INK=1), await shop.order(INK=2, CUP=1)
        await shop.pay(through, euros=40)
        assert await dying.end() == -signal.SIGKILL
    with shop.fulfilling():
        await shop.until(out_of_stock, "CANCELLED")
        await shop.until(through, "AWAITING_SHIPMENT")
        await shop.ship(through)
        await shop.until(through, "COMPLETED")
        await shop.until_nothing_is_open()
    assert_done_once(shop)


async def test_several_processes_share_the_orders_and_do_nothing_twice(shop: Shop) -> None:
    await shop.put(PEN=5 * 3, INK=PIECES)
    with shop.fulfilling(), shop.fulfilling(), shop.fulfilling(FAIL_POINT="fulfillment.called:3"):
        orders = await asyncio.gather(*(shop.order(PEN=3, INK=1) for _ in range(8)))
        await asyncio.gather(*(shop.pay(each, euros=40) for each in orders))

        async def settled() -> bool:
            return all(shop.fulfillment(each).step in {"AWAITING_SHIPMENT", "CANCELLED"} for each in orders)

        await eventually(settled, within=50, what="every order's end")
    steps = sorted(shop.fulfillment(each).step for each in orders)
    assert steps == ["AWAITING_SHIPMENT"] * 5 + ["CANCELLED"] * 3
    assert (shop.item("PEN").reserved, shop.item("INK").reserved) == (15, 5)
    assert shop.times("PEN")["StockReserved"] == 5


async def test_all_messages_from_the_beginning_once_more_change_nothing(shop: Shop, topic_prefix: str) -> None:
    await shop.put(PEN=PIECES, INK=0)
    with shop.fulfilling() as first:
        shipped, cancelled, waiting = await shop.order(PEN=3), await shop.order(INK=1), await shop.order(PEN=1)
        await shop.pay(shipped, euros=30)
        await shop.until(shipped, "AWAITING_SHIPMENT")
        await shop.ship(shipped)
        await shop.until(shipped, "COMPLETED")
        await shop.until(cancelled, "CANCELLED")
        await shop.until(waiting, "AWAITING_PAYMENT")
        first.send(signal.SIGTERM)
        assert await first.end() == 0  # so that its group has no member, and its offsets can be set
    before = shop.log()
    ends = await asyncio.to_thread(begin_again, topic_prefix)
    with shop.fulfilling():
        await eventually(lambda: asyncio.to_thread(has_read, topic_prefix, ends), within=40, what="the topic's end")

        async def looked_at() -> bool:
            return not shop.query(
                "SELECT 1 FROM open_fulfillment WHERE due <= clock_timestamp() OR leased_until > clock_timestamp()"
            )

        await eventually(looked_at, within=40, what="a look at every order")
    assert shop.log() == before
    assert shop.query("SELECT count(*) FROM open_fulfillment") == [(1,)]


async def test_a_deadline_survives_a_restart_in_its_middle(shop: Shop) -> None:
    await shop.put(PEN=PIECES)
    with shop.fulfilling(PAYMENT_TIMEOUT_SECONDS="5") as first:
        late, paid = await shop.order(PEN=3), await shop.order(PEN=2)
        deadline = (await shop.until(late, "AWAITING_PAYMENT")).payment_deadline
        await shop.until(paid, "AWAITING_PAYMENT")
        first.send(signal.SIGKILL)
        await first.end()
    await shop.pay(paid, euros=20)
    # The next process waits for payments otherwise, and the deadline stays as it was recorded.
    with shop.fulfilling(PAYMENT_TIMEOUT_SECONDS="7200"):
        await shop.until(paid, "AWAITING_SHIPMENT")
        await shop.until(late, "CANCELLED")
    assert deadline is not None
    assert recorded_at(shop, late, "OrderCancelled") >= deadline
    assert shop.state(paid).status == order_pb2.ORDER_STATUS_CONFIRMED


async def test_while_the_command_server_is_away_attempts_are_counted_and_then_it_goes_on(shop: Shop) -> None:
    await shop.put(PEN=PIECES)
    order_id = await shop.order(PEN=3)
    with shop.fulfilling(COMMAND_SERVICE_ADDRESS=free_address()):

        async def counted() -> bool:
            return shop.fulfillment(order_id).attempts >= 2

        await eventually(counted, within=40, what="two failures")
        assert shop.fulfillment(order_id).step == "RESERVING"
    with shop.fulfilling():
        assert (await shop.until(order_id, "AWAITING_PAYMENT")).attempts == 0
    assert shop.times("PEN")["StockReserved"] == 1


def assert_done_once(shop: Shop) -> None:
    """The stock is what it must be, and nothing happened to it twice."""
    assert (shop.item("PEN").on_hand, shop.item("PEN").reserved) == (PIECES - 3, 0)
    assert (shop.item("INK").on_hand, shop.item("INK").reserved) == (PIECES - 1, 0)
    assert (shop.item("CUP").on_hand, shop.item("CUP").reserved) == (0, 0)
    assert shop.times("PEN") == {"InventoryUpdated": 1, "StockReserved": 1, "StockCommitted": 1}
    assert shop.times("INK") == {"InventoryUpdated": 1, "StockReserved": 2, "StockCommitted": 1, "StockReleased": 1}


def recorded_at(shop: Shop, order_id: str, event: str) -> datetime:
    """When the database recorded an order's event."""
    [(moment,)] = shop.query(
        "SELECT created_at FROM event_store WHERE aggregate_id = %s AND event_type LIKE %s", order_id, f"%.{event}"
    )
    found: datetime = moment
    return found


def begin_again(topic_prefix: str) -> dict[tuple[str, int], int]:
    """Has the group read the orders' topic from its beginning; where each partition ends."""
    topic = f"{topic_prefix}.orders.events.v1"
    partitions = [TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
    consumer = group(topic_prefix)
    try:
        consumer.commit(offsets=partitions, asynchronous=False)
        return {(topic, each.partition): consumer.get_watermark_offsets(each)[1] for each in partitions}
    finally:
        consumer.close()


def has_read(topic_prefix: str, ends: dict[tuple[str, int], int]) -> bool:
    """Whether the group has finished everything up to these ends."""
    consumer = group(topic_prefix)
    try:
        committed = consumer.committed([TopicPartition(*each) for each in ends], timeout=10)
    finally:
        consumer.close()
    return all(each.offset >= ends[each.topic, each.partition] for each in committed)


def group(topic_prefix: str) -> Consumer:
    """Reads and sets the offsets of the processes' group; no member of it."""
    return Consumer({"bootstrap.servers": KAFKA_BROKERS, "group.id": f"{topic_prefix}.fulfillment"})
