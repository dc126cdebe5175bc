"""A rebuild makes a generation equal to the log, and moves queries to it and back without their noticing."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import grpc
import pytest

from orderflow.orders.v1 import views_pb2
from read_models.orders import ORDERS
from tests.integration.projector.conftest import Logs, Settings, free_address, running
from tests.integration.projector.operator_calls import DONE, FAILED, KEPT, LIVE, OperatorCalls, reason_of
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.test_life import folded, life
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.unit.read_models.builders import cancelled, confirmed, created

_ORDERS = 60


@pytest.fixture
async def operator(settings: Settings) -> AsyncIterator[OperatorCalls]:
    async with grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        yield OperatorCalls(channel)


async def documents(read_side: ReadSide, generation: int) -> dict[str, Mapping[str, Any]]:
    """All of a generation, without the time at which each was written."""
    index = f"{read_side.alias}-{generation:06d}"
    await read_side.elasticsearch.indices.refresh(index=index)
    found = await read_side.elasticsearch.search(index=index, size=1000)
    return {
        hit["_id"]: {name: value for name, value in hit["_source"].items() if name != "project_time_us"}
        for hit in found["hits"]["hits"]
    }


async def view(read_side: ReadSide, generation: int, order_id: str) -> views_pb2.OrderView:
    found = await read_side.elasticsearch.get(index=f"{read_side.alias}-{generation:06d}", id=order_id)
    return ORDERS.view_of(found["_source"])


async def becomes(read_side: ReadSide, generation: int, order_id: str, version: int) -> None:
    """Returns when the order has this version in a generation."""

    async def so() -> bool:
        return (await view(read_side, generation, order_id)).version == version

    await eventually(so, what=f"version {version} in generation {generation}")


async def orders_are_live(read_side: ReadSide, write_side: WriteSide, count: int = _ORDERS) -> list[str]:
    """Orders of a few customers, whose events lie far apart in the log, indexed in the live generation."""
    customers = [str(uuid.uuid4()) for _ in range(4)]
    for number, each in enumerate(customers):
        write_side.publish(write_side.record_customer(each, f"Zoë {number}"))
    ids = [str(uuid.uuid4()) for _ in range(count)]
    lives = [life(each, customers[number % len(customers)]) for number, each in enumerate(ids)]
    for step in zip(*lives, strict=True):
        write_side.publish(*write_side.record(*step))
    await read_side.caught_up()
    return ids


@pytest.mark.parametrize("window", [7, 20000])
async def test_a_rebuilt_generation_is_equal_to_the_live_one_byte_for_byte(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls, window: int
) -> None:
    async with running({**settings, "cached_documents": window}):
        ids = await orders_are_live(read_side, write_side)
        rebuild = await operator.rebuild()
        assert (rebuild.phase, rebuild.generation, rebuild.failure) == (DONE, 2, "")
        assert await operator.states() == {1: KEPT, 2: LIVE}
    before, after = await documents(read_side, 1), await documents(read_side, 2)
    assert before.keys() == set(ids)
    assert after == before


async def test_what_happens_during_a_rebuild_is_in_it(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls, customer_id: str
) -> None:
    histories: dict[str, list[Any]] = {}

    def happens(order_id: str, *events: Any) -> None:
        histories.setdefault(order_id, []).extend(events)
        write_side.publish(*write_side.record(*events))

    old, unlucky, new, newest = (str(uuid.uuid4()) for _ in range(4))
    unknown = str(uuid.uuid4())
    chunks = 0

    async def meanwhile() -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 1:
            happens(old, confirmed(order_id=old))
            happens(new, created(order_id=new, customer_id=customer_id))
            write_side.publish(write_side.record_customer(customer_id, "Renamed"))
            write_side.publish(write_side.record_customer(unknown, "Late"))
            happens(unlucky, cancelled(order_id=unlucky))
            happens(newest, created(order_id=newest, customer_id=str(uuid.uuid4())))

    async with running(settings):
        write_side.publish(write_side.record_customer(customer_id, "Zoë"))
        happens(old, created(order_id=old, customer_id=customer_id))
        happens(unlucky, created(order_id=unlucky, customer_id=unknown))
        await read_side.caught_up()
        write_side.reading_log = meanwhile
        assert (await operator.rebuild()).phase == DONE
        assert chunks >= 1
        for order_id, events in histories.items():
            for generation in (1, 2):
                await becomes(read_side, generation, order_id, len(events))
                assert await view(read_side, generation, order_id) == folded(events, write_side)
        assert (await view(read_side, 2, old)).customer_name == "Renamed"
        assert (await view(read_side, 2, unlucky)).customer_name == "Late"


async def test_both_generations_are_fed_after_the_switch_and_a_rollback_returns_to_the_old_one(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls, order_id: str
) -> None:
    async with running(settings):
        write_side.publish(*write_side.record(created(order_id=order_id)))
        await read_side.caught_up()
        assert (await operator.rebuild()).phase == DONE
        write_side.publish(*write_side.record(confirmed(order_id=order_id)))
        for generation in (1, 2):
            await becomes(read_side, generation, order_id, 2)
        assert await operator.roll_back() == (1, 2)
        assert await operator.states() == {1: LIVE, 2: KEPT}
        write_side.publish(*write_side.record(cancelled(order_id=order_id)))
        for generation in (1, 2):
            await becomes(read_side, generation, order_id, 3)
        assert await operator.roll_back(1) == (1, 2), "which is where it is"
        assert await operator.roll_back(2) == (2, 1)
        assert await operator.states() == {1: KEPT, 2: LIVE}
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await operator.roll_back(7)
        assert reason_of(refusal.value) == "GENERATION_NOT_FOUND"


async def test_the_cache_follows_the_switch_and_the_rollback(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls, order_id: str
) -> None:
    async def cached(generation: int, version: int) -> None:
        async def so() -> bool:
            entry = await read_side.cached(order_id)
            assert entry
            assert (entry.generation, entry.version) == (generation, version)
            return True

        await eventually(so, what=f"version {version} of generation {generation} in the cache")

    async with running(settings):
        write_side.publish(*write_side.record(created(order_id=order_id)))
        await cached(1, 1)
        assert (await operator.rebuild()).phase == DONE
        write_side.publish(*write_side.record(confirmed(order_id=order_id)))
        await cached(2, 2)
        await operator.roll_back()
        write_side.publish(*write_side.record(cancelled(order_id=order_id)))
        await cached(1, 3)


async def test_there_is_nothing_to_return_to_before_the_first_rebuild(
    settings: Settings, read_side: ReadSide, operator: OperatorCalls
) -> None:
    async with running(settings):
        await read_side.exists()
        for call in (operator.roll_back(), operator.get()):
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await call
            assert refusal.value.code() is grpc.StatusCode.NOT_FOUND
            assert reason_of(refusal.value) == "GENERATION_NOT_FOUND"


async def test_two_rebuilds_at_once_are_refused_whichever_processes_are_asked(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls
) -> None:
    go_on = asyncio.Event()

    async def held() -> None:
        await go_on.wait()

    other = {**settings, "grpc_listen_address": free_address()}
    async with AsyncExitStack() as stack:
        for each in (settings, other):
            await stack.enter_async_context(running(each))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(other["grpc_listen_address"]))
        await orders_are_live(read_side, write_side, 3)
        write_side.reading_log = held
        calls = [each.start_rebuild() for each in (operator, OperatorCalls(channel)) for _ in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
        assert [reason_of(each) for each in refusals] == ["REBUILD_RUNNING"] * 5
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await OperatorCalls(channel).roll_back()
        assert reason_of(refusal.value) == "REBUILD_RUNNING"
        go_on.set()
        for asked in (operator, OperatorCalls(channel)):
            assert (await asked.ended(2)).phase == DONE


async def test_progress_is_told_by_every_projector(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls
) -> None:
    chunks = 0

    async def held_in_the_middle() -> None:
        nonlocal chunks
        chunks += 1
        if chunks > 4:
            await go_on.wait()

    go_on = asyncio.Event()
    other = {**settings, "grpc_listen_address": free_address()}
    async with (
        running(settings),
        running(other),
        grpc.aio.insecure_channel(other["grpc_listen_address"]) as channel,
    ):
        await orders_are_live(read_side, write_side)
        write_side.reading_log = held_in_the_middle
        await operator.start_rebuild()
        for asked in (operator, OperatorCalls(channel)):

            async def part_is_done(asked: OperatorCalls = asked) -> bool:
                told = await asked.get()
                return 0 < told.done_count < told.total_count and told.rate > 0 and told.HasField("remaining_duration")

            await eventually(part_is_done, what="a part of the work")
        go_on.set()
        assert (await operator.ended(2)).HasField("end_time")


async def test_an_aggregate_that_cannot_be_folded_is_left_and_counted(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls, logs: Logs
) -> None:
    async with running(settings):
        ids = await orders_are_live(read_side, write_side, 5)
        (poison,) = write_side.record(confirmed(order_id=ids[0]))
        poison.event_type = "orderflow.orders.v1.OrderVanished"
        rebuild = await operator.rebuild()
        assert (rebuild.phase, rebuild.unfolded_count) == (DONE, 1)
        assert (await logs.has("left as it was before"))["aggregate_id"] == ids[0]
        assert await documents(read_side, 2) == await documents(read_side, 1)


async def test_a_generation_that_lacks_what_the_live_one_has_does_not_become_live_unless_told(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls
) -> None:
    async with running(settings):
        ids = await orders_are_live(read_side, write_side, 5)
        write_side.forget(ids[0])
        await read_side.elasticsearch.indices.refresh(index=read_side.alias)
        failed = await operator.rebuild()
        assert failed.phase == FAILED
        assert "4 documents, the live one 5" in failed.failure
        await operator.has_states(g1=LIVE)
        assert (await operator.rebuild(ignore_differences=True)).phase == DONE
        assert (await documents(read_side, 2)).keys() == set(ids[1:])


async def test_only_as_many_generations_stay_as_told_and_none_is_deleted_that_is_read(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls
) -> None:
    async with running(settings):
        await orders_are_live(read_side, write_side, 3)
        opened = await read_side.elasticsearch.open_point_in_time(index=read_side.alias, keep_alive="1m")
        for _ in range(2):
            assert (await operator.rebuild()).phase == DONE
        await operator.has_states(g1=KEPT, g2=KEPT, g3=LIVE)
        await asyncio.sleep(1.5)
        assert (await read_side.elasticsearch.search(pit={"id": opened["id"]}))["hits"]["total"]["value"] == 3
        await read_side.elasticsearch.close_point_in_time(id=opened["id"])
        await operator.has_states(g2=KEPT, g3=LIVE)


async def test_the_generation_returned_to_is_not_the_one_that_is_deleted(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: OperatorCalls
) -> None:
    async with running(settings):
        await orders_are_live(read_side, write_side, 3)
        assert (await operator.rebuild()).phase == DONE
        await operator.roll_back()
        assert (await operator.rebuild()).generation == 3
        await operator.has_states(g1=KEPT, g3=LIVE)


async def test_a_new_mapping_comes_by_a_rebuild_while_the_old_version_feeds_the_old_generation(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    operator: OperatorCalls,
    order_id: str,
    logs: Logs,
) -> None:
    body = ORDERS.index_body()
    body["mappings"]["properties"]["tracking_number"] = {"type": "keyword", "ignore_above": 256}
    async with AsyncExitStack() as old:
        await old.enter_async_context(running({**settings, "grpc_listen_address": free_address()}))
        write_side.publish(*write_side.record(created(order_id=order_id)))
        await read_side.has(order_id, version=1)
        async with running(settings, [replace(ORDERS, index_body=lambda: body)]):
            refusals: Sequence[str] = ()

            async def refused() -> bool:
                nonlocal refusals
                refusals = [each for each in logs.events() if "another mapping" in each]
                return bool(refusals)

            await eventually(refused, what="the refusal")
            assert len(refusals) == 1
            assert refusals[0].endswith("run: ordersctl projection rebuild orders")
            assert read_side.index in refusals[0]
            assert [each.mapping_current for each in (await operator.projection()).generations] == [False]
            assert (await operator.rebuild()).phase == DONE
            write_side.publish(*write_side.record(confirmed(order_id=order_id)))
            for generation in (1, 2):
                await becomes(read_side, generation, order_id, 2)
            assert await operator.roll_back() == (1, 2)
            assert await operator.roll_back() == (2, 1)
            mapping = await read_side.elasticsearch.indices.get_mapping(index=read_side.alias)
            properties = mapping[f"{read_side.alias}-000002"]["mappings"]["properties"]
            assert properties["tracking_number"]["ignore_above"] == 256
            await old.aclose()
            write_side.publish(*write_side.record(cancelled(order_id=order_id)))
            await becomes(read_side, 2, order_id, 3)

            async def behind() -> bool:
                with pytest.raises(grpc.aio.AioRpcError) as refusal:
                    await operator.roll_back()
                assert reason_of(refusal.value) == "GENERATION_BEHIND"
                return True

            await eventually(behind, what="the refusal")
            assert (await view(read_side, 1, order_id)).version == 2
            assert await operator.states() == {1: KEPT, 2: LIVE}
