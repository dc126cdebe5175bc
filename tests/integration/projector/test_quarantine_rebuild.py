"""Each generation has a quarantine of its own, and what is skipped is skipped in all: also in those made later."""

import grpc
import pytest

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.generations import Generation
from projector.quarantine import Quarantine, Record
from tests.integration.projector.conftest import Settings, running
from tests.integration.projector.operator_calls import DONE, FAILED, OperatorCalls
from tests.integration.projector.quarantine_client import QUARANTINED, SKIPPED, QuarantineClient
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.test_quarantine import Poisoned
from tests.integration.projector.test_rebuild import becomes, documents, operator, view
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import at

__all__ = ["operator"]


@pytest.fixture
def order(write_side: WriteSide, order_id: str, customer_id: str) -> Poisoned:
    return Poisoned(write_side, order_id, customer_id)


async def _refused_in(quarantine: QuarantineClient, entry: str, generation: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await quarantine.get(entry, generation=generation)
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_rebuild_quarantines_what_it_cannot_fold_in_its_own_generation_and_a_replay_heals_both(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, operator: OperatorCalls, order: Poisoned
) -> None:
    order.publish()
    async with running(settings):
        assert (await quarantine.has(order.entry, version=3)).generation == 1
        rebuild = await operator.rebuild()
        assert (rebuild.phase, rebuild.unfolded_count) == (DONE, 1)
        (entry,) = await quarantine.entries()
        assert (entry.generation, entry.version, entry.state) == (2, 3, QUARANTINED)
        assert (await quarantine.get(order.entry, generation=1)).entry.generation == 1
        assert await documents(read_side, 2) == await documents(read_side, 1)
        order.deliver()
        order.become_known()
        assert await quarantine.replay(order.entry) is None
        for generation in (1, 2):
            await becomes(read_side, generation, order.id, 5)
            assert await view(read_side, generation, order.id) == order.folded()
            await _refused_in(quarantine, order.entry, generation)


async def test_a_rebuild_after_the_cause_is_gone_heals_what_was_quarantined(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, operator: OperatorCalls, order: Poisoned
) -> None:
    order.publish()
    async with running(settings):
        await quarantine.has(order.entry)
        order.become_known()
        rebuild = await operator.rebuild()
        assert (rebuild.phase, rebuild.unfolded_count) == (DONE, 0)
        assert await quarantine.entries() == []
        order.deliver()
        await becomes(read_side, 2, order.id, 5)
        assert await view(read_side, 2, order.id) == order.folded()
        assert (await view(read_side, 1, order.id)).version == 2
        assert (await quarantine.get(order.entry, generation=1)).entry.state == QUARANTINED


async def test_what_was_skipped_stays_skipped_in_rebuilds(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, operator: OperatorCalls, order: Poisoned
) -> None:
    order.publish()
    async with running(settings):
        await quarantine.has(order.entry)
        skipped = await quarantine.skip(order.entry, 3)
        assert (skipped.state, skipped.generation) == (SKIPPED, 0)
        order.become_known()
        for generation in (2, 3):
            rebuild = await operator.rebuild()
            assert (rebuild.phase, rebuild.unfolded_count) == (DONE, 0)
            assert await quarantine.entries() == [skipped]
            assert await view(read_side, generation, order.id) == order.folded(skips=[3])
        order.deliver()
        await becomes(read_side, 3, order.id, 5)
        assert await view(read_side, 3, order.id) == order.folded(skips=[3])


async def test_a_skip_lets_an_order_go_on_in_the_kept_generation_too(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, operator: OperatorCalls, order: Poisoned
) -> None:
    order.publish()
    async with running(settings):
        await quarantine.has(order.entry)
        assert (await operator.rebuild()).phase == DONE
        skipped = await quarantine.skip(order.entry, 3)
        assert skipped.state == SKIPPED
        order.deliver()
        for generation in (1, 2):
            await becomes(read_side, generation, order.id, 5)
            assert await view(read_side, generation, order.id) == order.folded(skips=[3])


async def test_a_generation_that_cannot_take_what_the_live_one_has_does_not_become_live(
    settings: Settings, read_side: ReadSide, quarantine: QuarantineClient, operator: OperatorCalls, order: Poisoned
) -> None:
    order.become_known()
    order.publish()
    async with running(settings):
        await read_side.has(order.id, version=4)
        order.become_unknown()
        failed = await operator.rebuild()
        assert (failed.phase, failed.failure) == (FAILED, f"Differs: it has an older version of {order.id}")
        assert await quarantine.entries() == []


async def test_entries_of_generations_that_are_gone_are_forgotten_but_not_what_was_skipped(read_side: ReadSide) -> None:
    gone, there = (Generation(f"orders-00000{number}", f"orders-{number}", "") for number in (1, 2))
    stores = [Quarantine(read_side.elasticsearch, read_side.quarantine, "orders", each) for each in (gone, there)]
    for store in stores:
        entry = pb.QuarantineEntry(id="order/1", version=3, state=QUARANTINED, quarantine_time=at(1))
        await store.add({"order/1": Record(entry=entry)})
    found = (await stores[0].look(["order/1"], messages=True))["order/1"]
    await stores[0].skip(found, pb.QuarantineSkip(version=3, actor="Ada"))
    await stores[1].forget_all_but([there])
    states = [(await store.look(["order/1"]))["order/1"].record.entry.state for store in stores]
    assert states == [SKIPPED, QUARANTINED]
