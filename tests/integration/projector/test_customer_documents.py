"""Customers' documents: kept by the same guarantees as orders', and independently of them."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from orderflow.admin.v1 import projection_admin_service_pb2, projection_admin_service_pb2_grpc
from orderflow.admin.v1 import quarantine_pb2 as pb
from orderflow.customers.v1.customer_pb2 import Customer
from projector import freshness
from projector.generations import Generation
from projector.quarantine import Quarantine, Record
from read_models.customers import CUSTOMERS
from tests.integration.projector.conftest import Logs, Settings, free_address, running
from tests.integration.projector.elasticsearch_proxy import Answer, Bulk, ElasticsearchProxy
from tests.integration.projector.metrics import Metrics
from tests.integration.projector.operator_calls import DONE, KEPT, LIVE, OperatorCalls
from tests.integration.projector.process import started
from tests.integration.projector.quarantine_client import QUARANTINED, SKIPPED, QuarantineClient, refusal_of
from tests.integration.projector.read_side import ReadModelSide, ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.support.servers import READ_ES_URL, REDIS_URL
from tests.unit.read_models.builders import at, created

_BOTH = "customers,orders"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return {**settings, "projections": "customers"}


@pytest.fixture
async def customers(prefix: str) -> AsyncIterator[ReadModelSide[Customer]]:
    async with AsyncElasticsearch(READ_ES_URL, max_retries=0) as elasticsearch, Redis.from_url(REDIS_URL) as redis:
        side = ReadModelSide(elasticsearch, redis, prefix, CUSTOMERS)
        yield side
        await side.close()


def _folded(write_side: WriteSide, customer_id: str, *, to: int | None = None) -> Customer:
    """What is recorded of a customer says: all of it, or up to a version."""
    customer = None
    for each in write_side.history(customer_id)[:to]:
        event = CUSTOMERS.aggregate.events.parse(each.event_type, each.event_data)
        customer = CUSTOMERS.evolve(customer, event, each.version)
    assert customer
    return customer


async def _hits(customers: ReadModelSide[Customer], words: str) -> list[str]:
    await customers.elasticsearch.indices.refresh(index=customers.alias)
    query = {"match": {"search_text": {"query": words, "operator": "and"}}}
    found = await customers.elasticsearch.search(index=customers.alias, query=query)
    return [hit["_id"] for hit in found["hits"]["hits"]]


async def test_a_customers_whole_life_ends_in_the_document_and_erasure_leaves_nothing_personal(
    settings: Settings, write_side: WriteSide, customers: ReadModelSide[Customer], customer_id: str
) -> None:
    async with running(settings):
        write_side.publish(write_side.record_customer(customer_id, "Zoë Łukasz", email="zoe@example.com"))
        await customers.has(customer_id, version=1, name="Zoë Łukasz", email="zoe@example.com", erase_time_us=None)
        await customers.caught_up()
        assert await _hits(customers, "lukasz zoe example") == [customer_id]
        write_side.publish(write_side.record_customer(customer_id, "Quirin", email="quirin@example.com"))
        assert await customers.has(customer_id, version=2) == _folded(write_side, customer_id)
        assert await _hits(customers, "lukasz") == []
        assert await _hits(customers, "quirin") == [customer_id]
        write_side.publish(write_side.record_customer(customer_id, "", erased=True))
        assert await customers.has(customer_id, version=3, name="", email="") == _folded(write_side, customer_id)
        document = await customers.document(customer_id)
        assert document
        assert document["erase_time_us"] is not None
        assert document["search_text"] == [customer_id.replace("-", " ")]
        assert await _hits(customers, "quirin") == []


async def test_repeats_old_offsets_and_gaps_end_in_the_fold_of_all_events(
    settings: Settings, write_side: WriteSide, customers: ReadModelSide[Customer], customer_id: str
) -> None:
    events = [write_side.record_customer(customer_id, f"Zoë {number}") for number in range(6)]
    write_side.publish(events[3], events[1], events[0], events[5], events[5])
    async with running(settings):
        assert await customers.has(customer_id, version=6) == _folded(write_side, customer_id)
        await customers.caught_up()
    before = await customers.document(customer_id)
    await customers.forget_offsets()
    async with running(settings):
        await customers.caught_up()
    assert await customers.document(customer_id) == before


@pytest.mark.parametrize("answered", [False, True])
async def test_killed_while_it_writes_and_started_again_among_others_it_loses_nothing(
    settings: Settings, write_side: WriteSide, customers: ReadModelSide[Customer], *, answered: bool
) -> None:
    reached, over = asyncio.Event(), asyncio.Event()

    async def held(bulk: Bulk) -> Answer:
        if answered:
            await bulk.forward(bulk.body)
        reached.set()
        await over.wait()
        return 503, b"{}"

    ids = [str(uuid.uuid4()) for _ in range(20)]
    for each in ids:
        write_side.publish(write_side.record_customer(each, "Zoë"), write_side.record_customer(each, "Zoe"))
    proxy = ElasticsearchProxy()
    own = {**settings, "read_es_url": await proxy.start()}
    proxy.faults = [held]
    async with started(own) as process:
        await reached.wait()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    over.set()
    async with running(settings), running({**settings, "grpc_listen_address": free_address()}):
        for each in ids:
            write_side.publish(write_side.record_customer(each, "Zoé"))
        for each in ids:
            assert await customers.has(each, version=3) == _folded(write_side, each)
        await customers.caught_up()
    await proxy.stop()


async def test_customers_are_rebuilt_and_rolled_back_and_orders_stay_as_they_are(
    settings: Settings, write_side: WriteSide, customers: ReadModelSide[Customer], read_side: ReadSide
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(30)]
    async with (
        running({**settings, "projections": _BOTH}),
        grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel,
    ):
        operator, of_orders = OperatorCalls(channel, "customers"), OperatorCalls(channel, "orders")
        for number, each in enumerate(ids):
            write_side.publish(write_side.record_customer(each, f"Zoë {number}"))
            write_side.publish(write_side.record_customer(each, "Quirin", erased=number % 3 == 0))
        await customers.caught_up()
        rebuild = await operator.rebuild()
        assert (rebuild.phase, rebuild.projection, rebuild.failure) == (DONE, "customers", "")
        assert await operator.states() == {1: KEPT, 2: LIVE}
        assert await of_orders.states() == {1: LIVE}
        assert await _documents(customers, 2) == await _documents(customers, 1)
        write_side.publish(write_side.record_customer(ids[1], "Late"))
        for generation in (1, 2):
            await _becomes(customers, generation, ids[1], 3)
        assert await operator.roll_back() == (1, 2)
        assert await operator.states() == {1: LIVE, 2: KEPT}
        await customers.has(ids[1], version=3, name="Late")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await OperatorCalls(channel, "nothing").rebuild()
        assert refusal_of(refused.value)[:2] == (grpc.StatusCode.NOT_FOUND, "PROJECTION_NOT_FOUND")
    await read_side.caught_up()


async def _documents(customers: ReadModelSide[Customer], generation: int) -> dict[str, dict[str, Any]]:
    index = f"{customers.alias}-{generation:06d}"
    await customers.elasticsearch.indices.refresh(index=index)
    found = await customers.elasticsearch.search(index=index, size=1000)
    documents: dict[str, dict[str, Any]] = {hit["_id"]: dict(hit["_source"]) for hit in found["hits"]["hits"]}
    for each in documents.values():
        del each["project_time_us"]
    return documents


async def _becomes(customers: ReadModelSide[Customer], generation: int, customer_id: str, version: int) -> None:
    async def so() -> bool:
        found = await customers.elasticsearch.get(index=f"{customers.alias}-{generation:06d}", id=customer_id)
        return bool(found["_source"]["version"] == version)

    await eventually(so, what=f"version {version} in generation {generation}")


async def test_what_cannot_be_written_of_one_read_model_holds_up_no_other(
    *,
    settings: Settings,
    write_side: WriteSide,
    customers: ReadModelSide[Customer],
    read_side: ReadSide,
    order_id: str,
    customer_id: str,
) -> None:
    async with running({**settings, "projections": _BOTH}):
        await customers.exists()
        await read_side.exists()
        await customers.block_writes(blocked=True)
        write_side.publish(write_side.record_customer(customer_id, "Zoë"))
        write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
        view = await read_side.has(order_id, version=1, customer_version=1)
        assert view.customer_name == "Zoë"
        await read_side.caught_up()
        assert await customers.document(customer_id) is None
        await customers.block_writes(blocked=False)
        await customers.has(customer_id, version=1)


@pytest.mark.parametrize("damage", ["missing", "content", "behind", "ahead"])
async def test_the_auditor_repairs_customers(
    *, settings: Settings, write_side: WriteSide, customers: ReadModelSide[Customer], logs: Logs, damage: str
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(4)]
    async with running({**settings, "audit_interval_seconds": 0.1, "audit_sample_size": 20}):
        for each in ids:
            write_side.publish(write_side.record_customer(each, "Zoë"), write_side.record_customer(each, "Zoe"))
        for each in ids:
            await customers.has(each, version=2)
        await customers.caught_up()
        if damage == "missing":
            await customers.elasticsearch.delete(index=customers.index, id=ids[0])
        else:
            wrong = _folded(write_side, ids[0], to=1 if damage == "behind" else None)
            wrong.version += 7 if damage == "ahead" else 0
            wrong.name = "Somebody" if damage == "content" else wrong.name
            document = CUSTOMERS.document(wrong, project_time_us=1)
            await customers.elasticsearch.index(index=customers.index, id=ids[0], document=document)
        entry = await logs.has("read model diverges from the event log")
        assert (entry["projection"], entry["kind"], entry["aggregate_id"]) == ("customers", damage, ids[0])
        assert await customers.has(ids[0], version=2, name="Zoe") == _folded(write_side, ids[0])


async def test_all_projections_are_listed_by_name_and_measured_by_name(
    settings: Settings,
    write_side: WriteSide,
    customers: ReadModelSide[Customer],
    read_side: ReadSide,
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freshness, "_READ_SECONDS", 0.1)
    metrics = Metrics(monkeypatch)
    own = {**settings, "projections": _BOTH, "probe_interval_seconds": 0.05}
    async with running(own), grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        await customers.exists()
        await read_side.exists()
        await customers.block_writes(blocked=True)
        write_side.publish(*(write_side.record_customer(str(uuid.uuid4()), "Zoë") for _ in range(3)))

        async def measured() -> bool:
            lags = metrics.values("orderflow.projection.lag.events", "orderflow.projection.name")
            ages = metrics.values("orderflow.projection.heartbeat.age", "orderflow.projection.name")
            assert lags == {"customers": 3, "orders": 0}
            assert ages.keys() == {"customers", "orders"}
            return True

        await eventually(measured, what="a lag of each")
        await read_side.caught_up()
        service = projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(channel)
        listed = await service.ListProjections(projection_admin_service_pb2.ListProjectionsRequest())
        assert [(each.name, each.lag_events) for each in listed.projections] == [("customers", 3), ("orders", 0)]
        await customers.block_writes(blocked=False)
        await customers.caught_up()
        write_side.publish(write_side.record_customer(str(uuid.uuid4()), "Zoë"))

        async def probed() -> bool:
            names = metrics.names_of("orderflow.projection.searchable.delay", "orderflow.projection.name")
            return "customers" in names

        await eventually(probed, what="a customer that is searchable")
    metrics.close()


async def test_a_new_mapping_of_customers_names_the_rebuild_that_it_needs(
    settings: Settings, write_side: WriteSide, customers: ReadModelSide[Customer], logs: Logs, customer_id: str
) -> None:
    body = CUSTOMERS.index_body()
    body["mappings"]["_meta"]["documents"] += 1
    newer = [replace(CUSTOMERS, index_body=lambda: body)]
    async with running(settings):
        write_side.publish(write_side.record_customer(customer_id, "Zoë"))
        await customers.has(customer_id, version=1)
    async with (
        running(settings, newer),
        grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel,
    ):
        await logs.has(
            f"{customers.index} has another mapping than this version writes and is not fed by it; "
            "run: ordersctl projection rebuild customers"
        )
        assert (await OperatorCalls(channel, "customers").rebuild()).phase == DONE
        write_side.publish(write_side.record_customer(customer_id, "Zoe"))
        await _becomes(customers, 2, customer_id, 2)


@pytest.fixture
async def both(settings: Settings) -> AsyncIterator[dict[str, QuarantineClient]]:
    """The quarantine of each projection, and of all by the empty name."""
    async with grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        yield {name: QuarantineClient(channel, name) for name in ("", "customers", "orders")}


async def test_a_customers_bad_event_is_quarantined_in_each_projection_and_each_is_let_out_by_itself_or_all_at_once(
    *,
    settings: Settings,
    write_side: WriteSide,
    customers: ReadModelSide[Customer],
    read_side: ReadSide,
    both: dict[str, QuarantineClient],
    order_id: str,
    customer_id: str,
) -> None:
    entry = f"customer/{customer_id}"
    async with running({**settings, "projections": _BOTH}):
        write_side.publish(write_side.record_customer(customer_id, "Zoë"))
        write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
        await read_side.has(order_id, customer_version=1)
        bad = write_side.record_customer(customer_id, "Zoe")
        known, bad.event_type = bad.event_type, "orderflow.customers.v1.CustomerCloned"
        write_side.publish(bad)
        for name in ("customers", "orders"):
            found = await both[name].has(entry, version=2)
            assert (found.projection, found.generation) == (name, 1)
        assert [(each.id, each.projection) for each in await both[""].entries()] == [
            (entry, "customers"), (entry, "orders"),
        ]  # fmt: skip
        assert (await both[""].get(entry)).entry.projection == "customers"
        assert (await both["orders"].get(entry)).entry.projection == "orders"
        skipped = await both["orders"].skip(entry, 2)
        assert (skipped.state, skipped.projection) == (SKIPPED, "orders")
        assert [each.state for each in await both[""].entries()] == [QUARANTINED, SKIPPED]
        assert not (await both["customers"].get(entry)).entry.skips
        write_side.publish(write_side.record_customer(customer_id, "Zoé"))
        await read_side.has(order_id, customer_version=3)
        await customers.caught_up()
        assert (await customers.view(customer_id)).version == 1
        bad.event_type = known
        assert await both[""].replay(entry) == skipped
        assert await customers.has(customer_id, version=3) == _folded(write_side, customer_id)
        assert [each.projection for each in await both[""].entries()] == ["orders"]


async def test_a_skip_without_a_projection_is_for_all_and_a_refusal_ends_it(
    *,
    settings: Settings,
    write_side: WriteSide,
    customers: ReadModelSide[Customer],
    read_side: ReadSide,
    both: dict[str, QuarantineClient],
) -> None:
    later, first = str(uuid.uuid4()), str(uuid.uuid4())
    write_side.publish(write_side.record_customer(later, "Zoë"))
    bad = [write_side.record_customer(later, "Zoe"), write_side.record_customer(first, "Max")]
    for each in bad:
        each.event_type = "orderflow.customers.v1.CustomerCloned"
    write_side.publish(*bad)
    async with running({**settings, "projections": _BOTH}):
        for name in ("customers", "orders"):
            await both[name].has(f"customer/{later}", version=2)
            await both[name].has(f"customer/{first}", version=1)
        assert (await both[""].skip(f"customer/{later}", 2)).state == SKIPPED
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await both[""].skip(f"customer/{first}", 1)
        assert refusal_of(refused.value)[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "CANNOT_SKIP_CREATION")
        assert {(each.id, each.projection): each.state for each in await both[""].entries()} == {
            (f"customer/{later}", "customers"): SKIPPED,
            (f"customer/{later}", "orders"): SKIPPED,
            (f"customer/{first}", "customers"): QUARANTINED,
            (f"customer/{first}", "orders"): QUARANTINED,
        }
        await customers.has(later, version=2, name="Zoë")
        assert (await both["orders"].skip(f"customer/{first}", 1)).state == SKIPPED
        for name in ("nothing", "orders"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async with grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
                    await QuarantineClient(channel, name).get("customer/x")
            reason = "PROJECTION_NOT_FOUND" if name == "nothing" else "QUARANTINE_ENTRY_NOT_FOUND"
            assert refusal_of(refused.value)[:2] == (grpc.StatusCode.NOT_FOUND, reason)
    await read_side.caught_up()


async def test_a_rebuild_of_one_read_model_forgets_no_entry_of_another(read_side: ReadSide) -> None:
    generations = {name: Generation(f"{name}-000001", f"{name}-1", "") for name in ("customers", "orders")}
    stores = {
        name: Quarantine(read_side.elasticsearch, read_side.quarantine, name, each)
        for name, each in generations.items()
    }
    for store in stores.values():
        entry = pb.QuarantineEntry(id="customer/1", version=3, state=QUARANTINED, quarantine_time=at(1))
        await store.add({"customer/1": Record(entry=entry)})
    await stores["orders"].forget_all_but([])
    left = {name: list(await store.look(["customer/1"])) for name, store in stores.items()}
    assert left == {"customers": ["customer/1"], "orders": []}
