"""Replays heal from the log, skips pass over one version, and neither loses an event or shows a wrong document."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import pytest

from event_schemas import orders as order_events
from orderflow.admin.v1 import quarantine_pb2 as pb
from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import views_pb2
from projector.generations import Generation, Generations
from projector.quarantine import Found, Quarantine, Record
from read_models import orders
from read_models.orders import ORDERS
from tests.integration.projector.conftest import Logs, Settings, free_address, running
from tests.integration.projector.quarantine_client import QUARANTINED, SKIPPED, QuarantineClient, refusal_of
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.unit.read_models.builders import at, confirmed, created, delivered, euros, paid, shipped


class Poisoned:
    """An order whose third event is of a type that is not known, until it is."""

    def __init__(self, write_side: WriteSide, order_id: str, customer_id: str, *, bad: Sequence[int] = (3,)) -> None:
        self.id = order_id
        self.entry = f"order/{order_id}"
        self._write_side = write_side
        self.events: list[order_events.OrderEvent] = [
            created(order_id=order_id, customer_id=customer_id),
            confirmed(order_id=order_id),
            paid(euros(20), order_id=order_id),
            shipped(order_id=order_id),
        ]
        self._recorded = write_side.record(*self.events)
        self._types = {version: self._recorded[version - 1].event_type for version in bad}
        for version in bad:
            self._recorded[version - 1].event_type = "orderflow.orders.v1.OrderTeleported"

    def publish(self, *versions: int) -> None:
        """Brings these versions, or all."""
        recorded: list[event_log_pb2.RecordedEvent] = self._recorded
        self._write_side.publish(*(recorded[each - 1] for each in versions or range(1, len(recorded) + 1)))

    def deliver(self, *, published: bool = True) -> None:
        """The next event."""
        self.events.append(delivered(order_id=self.id))
        recorded = self._write_side.record(self.events[-1])
        if published:
            self._write_side.publish(*recorded)

    def become_known(self) -> None:
        """As for a program that knows the type."""
        for version, event_type in self._types.items():
            self._recorded[version - 1].event_type = event_type

    def become_unknown(self) -> None:
        """As for a program that does not know the type."""
        for version in self._types:
            self._recorded[version - 1].event_type = "orderflow.orders.v1.OrderTeleported"

    def folded(self, *, skips: Sequence[int] = ()) -> views_pb2.OrderView:
        """What all events but the skipped ones say."""
        view = None
        for version, event in enumerate(self.events, start=1):
            if version not in skips:
                view = orders.evolve(view, event, version)
        assert view is not None
        return orders.with_customer(view, self._write_side.customers.get(view.customer_id))


@pytest.fixture
def order(write_side: WriteSide, order_id: str, customer_id: str) -> Poisoned:
    write_side.record_customer(customer_id, "Zoë")
    return Poisoned(write_side, order_id, customer_id)


@asynccontextmanager
async def another(settings: Settings) -> AsyncIterator[QuarantineClient]:
    """A second projector of the group."""
    own = {**settings, "grpc_listen_address": free_address()}
    async with running(own), grpc.aio.insecure_channel(own["grpc_listen_address"]) as channel:
        yield QuarantineClient(channel)


@pytest.mark.usefixtures("projector")
async def test_a_replay_heals_to_the_exact_fold_of_everything_that_happened(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    order.publish()
    await quarantine.has(order.entry, version=3)
    order.deliver()
    await read_side.caught_up()
    assert (await read_side.view(order.id)).version == 2
    order.become_known()
    assert await quarantine.replay(order.entry) is None
    assert await read_side.view(order.id) == order.folded()
    cached = await read_side.cached(order.id)
    assert cached
    assert views_pb2.OrderView.FromString(cached.view) == order.folded()
    assert await quarantine.entries() == []
    order.events.append(paid(euros(5), order_id=order.id))
    write_side.publish(*write_side.record(order.events[-1]))
    await read_side.has(order.id, version=6)
    assert await read_side.view(order.id) == order.folded()


@pytest.mark.usefixtures("projector")
async def test_a_replay_that_fails_again_leaves_the_entry_with_its_new_cause(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order_id: str, customer_id: str
) -> None:
    order = Poisoned(write_side, order_id, customer_id)
    order.publish()
    entry = await quarantine.has(order.entry)
    assert await quarantine.replay(order.entry) == entry
    order.become_known()
    order.deliver()
    await read_side.caught_up()
    write_side.lose(order_id, 4)
    left = await quarantine.replay(order.entry)
    assert left
    assert (left.version, left.cause.partition(":")[0], left.state) == (4, "EventsMissing", QUARANTINED)
    assert (await read_side.view(order.id)).version == 3
    assert await quarantine.entries() == [left]


@pytest.mark.usefixtures("projector")
async def test_a_skip_passes_over_one_version_for_good_and_is_kept_as_a_record(
    read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    order.publish()
    await quarantine.has(order.entry)
    skipped = await quarantine.skip(order.entry, 3, actor="Ada", reason="entered twice")
    assert skipped.state == SKIPPED
    (skip,) = skipped.skips
    assert (skip.version, skip.actor, skip.reason) == (3, "Ada", "entered twice")
    assert skip.skip_time.seconds > 0
    assert await read_side.view(order.id) == order.folded(skips=[3])
    order.deliver()
    await read_side.has(order.id, version=5)
    order.publish(3)
    await read_side.caught_up()
    assert await read_side.view(order.id) == order.folded(skips=[3])
    assert await quarantine.skip(order.entry, 3, actor="Bob", reason="again") == skipped
    assert await quarantine.replay(order.entry) == skipped
    assert await quarantine.entries() == [skipped]
    assert await quarantine.entries(QUARANTINED) == []


@pytest.mark.usefixtures("projector")
async def test_a_skipped_last_version_is_shown_and_no_gap_for_the_next_event(
    *,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    logs: Logs,
    order_id: str,
    customer_id: str,
) -> None:
    order = Poisoned(write_side, order_id, customer_id, bad=[4])
    order.publish()
    await quarantine.has(order.entry, version=4)
    await quarantine.skip(order.entry, 4)
    await read_side.has(order.id, version=4, status="CONFIRMED")
    order.deliver()
    await read_side.has(order.id, version=5, status="DELIVERED")
    assert logs.of("gap read from the event log") == []


@pytest.mark.usefixtures("projector")
async def test_each_bad_version_needs_a_decision_of_its_own(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order_id: str, customer_id: str
) -> None:
    order = Poisoned(write_side, order_id, customer_id, bad=[2, 4])
    order.publish()
    await quarantine.has(order.entry, version=2)
    first = await quarantine.skip(order.entry, 2)
    assert (first.state, first.version) == (QUARANTINED, 4)
    assert (await read_side.view(order.id)).version == 3
    second = await quarantine.skip(order.entry, 4)
    assert (second.state, [each.version for each in second.skips]) == (SKIPPED, [2, 4])
    order.deliver()
    await read_side.has(order.id, version=5)
    assert await read_side.view(order.id) == order.folded(skips=[2, 4])


async def test_a_lost_index_is_projected_anew_without_what_was_skipped(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    order.publish()
    async with running(settings):
        await quarantine.has(order.entry)
        await quarantine.skip(order.entry, 3)
        await read_side.caught_up()
    await read_side.elasticsearch.indices.delete(index=read_side.index)
    await read_side.forget_offsets()
    async with running(settings):
        await read_side.has(order.id, version=4)
        await read_side.caught_up()
        assert [entry.state for entry in await quarantine.entries()] == [SKIPPED]
    assert await read_side.view(order.id) == order.folded(skips=[3])


@pytest.mark.usefixtures("projector")
async def test_what_cannot_be_done_is_refused_with_its_reason(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned, customer_id: str
) -> None:
    unborn = Poisoned(write_side, str(uuid.uuid4()), customer_id, bad=[1])
    order.publish()
    unborn.publish()
    await quarantine.has(order.entry, version=3)
    await quarantine.has(unborn.entry, version=1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await quarantine.skip(order.entry, 2)
    assert refusal_of(refused.value) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH", {"current_version": "3"})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await quarantine.skip(unborn.entry, 1)
    assert refusal_of(refused.value) == (grpc.StatusCode.FAILED_PRECONDITION, "CANNOT_SKIP_CREATION", {})
    for call in (quarantine.get("order/x"), quarantine.replay("order/x"), quarantine.skip("order/x", 1)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refusal_of(refused.value) == (grpc.StatusCode.NOT_FOUND, "QUARANTINE_ENTRY_NOT_FOUND", {})
    assert (await read_side.view(order.id)).version == 2
    unborn.become_known()
    assert await quarantine.replay(unborn.entry) is None
    assert await read_side.view(unborn.id) == unborn.folded()


@pytest.mark.usefixtures("projector")
async def test_an_order_that_only_a_forged_message_named_can_be_skipped_and_lives_when_it_comes_about(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    order.become_known()
    recorded = write_side.record(created(order_id=order.id))[0]
    write_side.forget(order.id)
    recorded.version, recorded.event_data = 1, b"\xff\xff"
    write_side.publish(recorded)
    await quarantine.has(order.entry)
    assert (await quarantine.skip(order.entry, 1)).state == SKIPPED
    await read_side.caught_up()
    assert await read_side.document(order.id) is None
    write_side.publish(*write_side.record(*order.events))
    await read_side.has(order.id, version=4)
    assert await read_side.view(order.id) == order.folded()


async def test_what_was_skipped_is_no_new_failure_when_it_comes_again(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    topic = write_side.topics["order"]
    write_side.publish_raw(topic, None, b"junk", [], partition=2)
    order.publish()
    async with running(settings):
        nameless, named = await quarantine.has(f"{topic}/2/0"), await quarantine.has(order.entry)
        skipped = [await quarantine.skip(nameless.id, 0, reason="a test"), await quarantine.skip(named.id, 3)]
        assert (skipped[0].state, skipped[0].skips[0].reason) == (SKIPPED, "a test")
        await read_side.caught_up()
        assert await quarantine.replay(nameless.id) == skipped[0]
    await read_side.forget_offsets()
    async with running(settings):
        await read_side.caught_up()
        assert {entry.id: entry for entry in await quarantine.entries()} == {entry.id: entry for entry in skipped}


async def test_of_several_failures_of_an_aggregate_the_first_is_kept_until_it_is_settled(read_side: ReadSide) -> None:
    store = Quarantine(
        read_side.elasticsearch, read_side.quarantine, ORDERS.name, Generation("orders-000007", "orders-7", "")
    )
    entry = pb.QuarantineEntry(id="order/1", version=3, state=QUARANTINED, quarantine_time=at(1))
    entry.generation, entry.projection = 7, ORDERS.name
    later = pb.QuarantineEntry(id="order/1", version=5, state=QUARANTINED, quarantine_time=at(2))

    async def kept(*added: pb.QuarantineEntry) -> pb.QuarantineEntry:
        for each in added:
            await store.add({each.id: Record(entry=each)})
        return (await store.look(["order/1"]))["order/1"].record.entry

    assert await kept(entry, later) == entry
    found = (await store.look(["order/1"], messages=True))["order/1"]
    found = await store.skip(found, pb.QuarantineSkip(version=3, actor="Ada"))
    await store.remove(found)
    assert found.common is not None
    assert await kept(entry) == found.common.entry
    later.skips.extend(found.common.entry.skips)
    later.generation, later.projection = 7, ORDERS.name
    assert await kept(pb.QuarantineEntry(id="order/1", version=5, state=QUARANTINED, quarantine_time=at(2))) == later


@pytest.mark.usefixtures("projector")
async def test_a_customers_bad_version_can_be_skipped_and_later_names_reach_their_orders(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order_id: str, customer_id: str
) -> None:
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
    await read_side.has(order_id, version=1)
    bad = write_side.record_customer(customer_id, "Zoë")
    bad.event_type = "orderflow.customers.v1.CustomerCloned"
    write_side.publish(bad)
    entry = await quarantine.has(f"customer/{customer_id}", version=1)
    write_side.publish(write_side.record_customer(customer_id, "Zoë B."))
    await read_side.caught_up()
    assert (await read_side.view(order_id)).customer_name == ""
    assert (await quarantine.skip(entry.id, 1)).state == SKIPPED
    await read_side.has(order_id, customer_version=2)
    write_side.publish(write_side.record_customer(customer_id, "Zoë C."))
    await read_side.has(order_id, customer_version=3)


async def test_what_one_projector_quarantines_another_replays_and_both_know(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, customer_id: str
) -> None:
    poisoned = [Poisoned(write_side, str(uuid.uuid4()), customer_id) for _ in range(12)]
    async with running(settings), another(settings) as other:
        for each in poisoned:
            each.publish()
        for each in poisoned:
            await quarantine.has(each.entry, version=3)
            each.deliver()
        await read_side.caught_up()
        for each in poisoned:
            assert (await read_side.view(each.id)).version == 2
            each.become_known()
        for each in poisoned:
            assert await other.replay(each.entry) is None
            each.events.append(paid(euros(5), order_id=each.id))
            write_side.publish(*write_side.record(each.events[-1]))
        for each in poisoned:
            await read_side.has(each.id, version=6)
            assert await read_side.view(each.id) == each.folded()
        assert await quarantine.entries() == []


async def test_a_skip_that_a_process_was_not_told_of_holds_there_too(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    async with running(settings):
        await quarantine.is_there()
        entry = pb.QuarantineEntry(
            id=order.entry,
            aggregate_type="order",
            aggregate_id=order.id,
            version=3,
            quarantine_time=at(1),
        )
        live = await Generations(read_side.elasticsearch, ORDERS, read_side.prefix).live()
        store = Quarantine(read_side.elasticsearch, read_side.quarantine, ORDERS.name, live)
        skip = pb.QuarantineSkip(version=3, actor="Ada")
        skipped = (await store.skip(Found(Record(entry=entry), None), skip)).common
        assert skipped is not None
        order.publish()
        await read_side.has(order.id, version=4)
        await read_side.caught_up()
        assert await quarantine.entries() == [skipped.entry]
    assert await read_side.view(order.id) == order.folded(skips=[3])


async def test_after_a_restart_elsewhere_a_quarantined_orders_events_pass_by(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    """Even those that this process could project: only a replay lets the order out."""
    order.publish(1, 2, 3)
    async with running(settings):
        await quarantine.has(order.entry)
    order.become_known()
    order.publish(4)
    async with another(settings) as other:
        await read_side.caught_up()
        assert (await read_side.view(order.id)).version == 2
        assert await other.replay(order.entry) is None
    assert await read_side.view(order.id) == order.folded()


@pytest.mark.usefixtures("projector")
async def test_an_event_that_passes_by_while_its_order_is_replayed_is_not_lost(
    write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned
) -> None:
    order.publish()
    await quarantine.has(order.entry)
    await read_side.caught_up()
    order.become_known()

    async def passes_by() -> None:
        order.deliver()
        await read_side.caught_up()

    write_side.while_read = [passes_by]
    assert await quarantine.replay(order.entry) is None
    assert await read_side.view(order.id) == order.folded()
    assert len(order.events) == 5


async def test_no_event_is_lost_that_comes_while_orders_are_replayed(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, quarantine: QuarantineClient, customer_id: str
) -> None:
    poisoned = [Poisoned(write_side, str(uuid.uuid4()), customer_id) for _ in range(8)]
    async with running(settings), another(settings) as other:
        for each in poisoned:
            each.publish()
        for each in poisoned:
            await quarantine.has(each.entry)
            each.become_known()

        async def goes_on(order: Poisoned) -> None:
            for _ in range(10):
                order.events.append(paid(euros(5), order_id=order.id))
                write_side.publish(*write_side.record(order.events[-1]))
                await asyncio.sleep(0.01)

        calls = [client.replay(each.entry) for each in poisoned for client in (quarantine, other)]
        await asyncio.gather(*(goes_on(each) for each in poisoned), *calls, return_exceptions=True)
        await read_side.caught_up()
        for each in poisoned:
            await read_side.has(each.id, version=14)
            assert await read_side.view(each.id) == each.folded()

        async def none_left() -> bool:
            return await quarantine.entries() == []

        await eventually(none_left, what="an empty quarantine")


@pytest.mark.parametrize("skipped", [False, True])
async def test_a_replay_whose_process_died_is_finished_by_the_next(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, order: Poisoned, *, skipped: bool
) -> None:
    order.publish()
    async with running(settings):
        await quarantine.has(order.entry)
        order.deliver()
        await read_side.caught_up()
    live = await Generations(read_side.elasticsearch, ORDERS, read_side.prefix).live()
    store = Quarantine(read_side.elasticsearch, read_side.quarantine, ORDERS.name, live)
    (found,) = (await store.look([order.entry], messages=True)).values()
    if skipped:
        found = await store.skip(found, pb.QuarantineSkip(version=3, actor="Ada", reason="a test"))
    else:
        order.become_known()
    found.record.entry.state = pb.QUARANTINE_STATE_REPLAYING
    await store.replace(found, found.record)
    async with running(settings):
        await read_side.has(order.id, version=5)
    assert await read_side.view(order.id) == order.folded(skips=[3] if skipped else [])
    assert [each.record.entry.state for each in (await store.look([order.entry])).values()] == [SKIPPED] * skipped
