"""The auditor finds and repairs what was damaged by hand, and accuses nobody of being late."""

import asyncio
import base64
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from orderflow.orders.v1 import views_pb2
from projector.audit import auditor
from projector.audit.sample import Sample
from read_models import orders_index
from service_kit.cloudevents import headers_of
from service_kit.grpc_channel import open_channel
from service_kit.view_cache import CachedView
from tests.integration.projector.conftest import Logs, Settings, free_address, running
from tests.integration.projector.metrics import Metrics
from tests.integration.projector.operator_calls import DONE, OperatorCalls
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.tcp_proxy import TcpProxy
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.support.servers import REDIS_URL
from tests.unit.read_models.builders import confirmed, created, euros, paid

_DIVERGES = "read model diverges from the event log"
_AUDITING = {"audit_interval_seconds": 0.1, "audit_sample_size": 20}
_KIND, _STORE, _OUTCOME = "orderflow.divergence.kind", "orderflow.store", "orderflow.audit.outcome"


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metrics]:
    metrics = Metrics(monkeypatch)
    yield metrics
    metrics.close()


@dataclass(frozen=True)
class Shown:
    """An order in version 2, and what the stores showed of it in version 1."""

    id: str
    document: Mapping[str, Any]
    entry: CachedView


@pytest.fixture
async def order(
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    *,
    metrics: Metrics,  # noqa: ARG001 -- before the projector makes its instruments
    logs: Logs,  # noqa: ARG001
    order_id: str,
    customer_id: str,
) -> AsyncIterator[Shown]:
    """An order among others, shown by a projector that audits all the time."""
    async with running({**settings, **_AUDITING}):
        write_side.publish(write_side.record_customer(customer_id, "Zoë"))
        write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
        await read_side.has(order_id, version=1, enrichment="COMPLETE")
        await read_side.caught_up()
        document, entry = await read_side.document(order_id), await read_side.cached(order_id)
        assert document
        assert entry
        write_side.publish(*write_side.record(confirmed(order_id=order_id)))
        for _ in range(3):
            write_side.publish(*write_side.record(created(order_id=str(uuid.uuid4()), customer_id=customer_id)))
        await read_side.has(order_id, version=2)
        await read_side.caught_up()
        source = {name: value for name, value in document.items() if name != "_seq_no"}
        yield Shown(order_id, source, entry)


async def _rewrite(read_side: ReadSide, order_id: str, **changes: Any) -> None:
    """Changes fields of a document by hand."""
    await read_side.elasticsearch.update(index=read_side.index, id=order_id, doc=changes)


async def _rewrite_view(read_side: ReadSide, view: views_pb2.OrderView) -> None:
    """Has a document hold another view, in harmony with its other fields."""
    document = orders_index.document(view, project_time_us=1)
    await read_side.elasticsearch.index(index=read_side.index, id=view.order_id, document=document)


async def _repaired(metrics: Metrics, store: str) -> None:
    """Returns when the first repair of a store is over: it looks once more at what it has written."""

    async def counted() -> bool:
        return metrics.values("orderflow.audit.repairs", _STORE).get(store) == 1

    await eventually(counted, what=f"a repair of {store}")


async def _accused(logs: Logs, metrics: Metrics, order_id: str, store: str, kind: str) -> None:
    """The one divergence is told and counted, with its repair, and nothing else."""
    entry = await logs.has(_DIVERGES)
    await _repaired(metrics, store)
    assert metrics.values("orderflow.audit.repairs", _STORE) == {store: 1}
    assert (entry["store"], entry["kind"], entry["aggregate_id"]) == (store, kind, order_id)
    assert entry["log_level"] == "error"
    assert metrics.values("orderflow.audit.divergences", _KIND) == {kind: 1}
    assert metrics.values("orderflow.audit.divergences", _STORE) == {store: 1}
    assert metrics.values("orderflow.audit.repairs", "orderflow.repair.done") == {"True": 1}
    assert "divergence not repaired" not in logs.events()
    assert not any("Zoë" in str(value) or "zoe@" in str(value) for value in entry.values())
    before = metrics.values("orderflow.audit.aggregates", _OUTCOME).get("agrees", 0)

    async def audited_again() -> bool:
        return metrics.values("orderflow.audit.aggregates", _OUTCOME).get("agrees", 0) > before + 10

    await eventually(audited_again, what="more audits")
    assert len(logs.of(_DIVERGES)) == 1


async def test_a_missing_document_is_made_again(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics
) -> None:
    before = await read_side.view(order.id)
    await read_side.elasticsearch.delete(index=read_side.index, id=order.id)
    await _accused(logs, metrics, order.id, "elasticsearch", "missing")
    assert await read_side.view(order.id) == before


async def test_a_document_of_other_content_is_written_again(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics
) -> None:
    before = await read_side.view(order.id)
    wrong = await read_side.view(order.id)
    wrong.items[0].quantity += 1
    await _rewrite_view(read_side, wrong)
    await _accused(logs, metrics, order.id, "elasticsearch", "content")
    assert await read_side.view(order.id) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "DELIVERED"},
        {"search_text": "nothing of the kind"},
        {"view": base64.b64encode(b"\xff").decode()},
        {"customer_id": str(uuid.UUID(int=1))},
    ],
)
async def test_what_queries_filter_and_search_by_is_audited_too(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics, changes: dict[str, Any]
) -> None:
    before = await read_side.document(order.id)
    await _rewrite(read_side, order.id, **changes)
    await _accused(logs, metrics, order.id, "elasticsearch", "content")
    after = await read_side.document(order.id)
    assert before
    assert after
    changing = {"_seq_no", "project_time_us"}
    assert {name: after[name] for name in after.keys() - changing} == {
        name: before[name] for name in before.keys() - changing
    }


async def test_a_document_with_another_name_of_its_customer_is_written_again(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics
) -> None:
    wrong = await read_side.view(order.id)
    wrong.customer_name = "Somebody"
    await _rewrite_view(read_side, wrong)
    await _accused(logs, metrics, order.id, "elasticsearch", "content")
    assert (await read_side.view(order.id)).customer_name == "Zoë"


async def test_a_document_ahead_of_the_log_is_brought_back_and_takes_later_events(
    order: Shown, read_side: ReadSide, write_side: WriteSide, logs: Logs, metrics: Metrics
) -> None:
    before = await read_side.view(order.id)
    wrong = await read_side.view(order.id)
    wrong.version = 9
    await _rewrite_view(read_side, wrong)
    await _accused(logs, metrics, order.id, "elasticsearch", "ahead")
    assert await read_side.view(order.id) == before
    write_side.publish(*write_side.record(paid(euros(5), order_id=order.id)))
    await read_side.has(order.id, version=3)


async def test_a_document_behind_a_finished_event_is_brought_forward(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics
) -> None:
    before = await read_side.view(order.id)
    await read_side.elasticsearch.index(index=read_side.index, id=order.id, document=order.document)
    await _accused(logs, metrics, order.id, "elasticsearch", "behind")
    assert await read_side.view(order.id) == before


async def test_what_a_projector_still_takes_for_newer_after_a_repair_is_found_though_no_sample_has_it_again(
    order: Shown,
    read_side: ReadSide,
    write_side: WriteSide,
    logs: Logs,
    *,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples: list[set[str]] = []
    begun = asyncio.Event()

    async def take(*_: object) -> set[str]:
        begun.set()
        return samples.pop() if samples else set()

    monkeypatch.setattr(Sample, "take", take)
    await asyncio.wait_for(begun.wait(), 30)  # what an audit before has sampled is over
    wrong = await read_side.view(order.id)
    wrong.version = 9
    await _rewrite_view(read_side, wrong)
    write_side.publish(*write_side.record(paid(euros(5), order_id=order.id)))
    await read_side.caught_up()  # the projector has met version 9 and remembers it
    samples.append({order.id})
    await read_side.has(order.id, version=3)
    await _repaired(metrics, "elasticsearch")
    write_side.publish(*write_side.record(paid(euros(5), order_id=order.id)))
    await read_side.has(order.id, version=4)
    kinds = [each["kind"] for each in logs.of(_DIVERGES) if each["store"] == "elasticsearch"]
    assert kinds == ["ahead", "behind"]  # and Redis, whenever the projector puts there what it remembers


@pytest.mark.parametrize("kind", ["behind", "content", "ahead"])
async def test_a_wrong_view_in_redis_is_replaced(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics, kind: str
) -> None:
    right = await read_side.view(order.id)
    wrong = await read_side.view(order.id)
    entry = order.entry
    if kind != "behind":
        wrong.tracking_number = "of another parcel"
        wrong.version = 9 if kind == "ahead" else 2
        entry = CachedView(1, wrong.version, wrong.customer_version, wrong.SerializeToString(), 1)
    await read_side.cache(order.id, entry)
    await _accused(logs, metrics, order.id, "redis", kind)
    cached = await read_side.cached(order.id)
    assert cached
    assert views_pb2.OrderView.FromString(cached.view) == right


async def test_a_document_of_which_the_log_has_nothing_is_told_and_left_alone(
    order: Shown, read_side: ReadSide, logs: Logs, metrics: Metrics
) -> None:
    unknown = await read_side.view(order.id)
    unknown.order_id = str(uuid.uuid4())
    await _rewrite_view(read_side, unknown)
    await read_side.elasticsearch.indices.refresh(index=read_side.index)
    entry = await logs.has("divergence not repaired")
    assert (entry["kind"], entry["aggregate_id"]) == ("ahead", unknown.order_id)
    assert metrics.values("orderflow.audit.repairs", "orderflow.repair.done")["False"] >= 1
    assert await read_side.view(unknown.order_id) == unknown


async def test_what_is_not_published_yet_is_no_divergence(
    order: Shown,
    read_side: ReadSide,
    write_side: WriteSide,
    logs: Logs,
    *,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auditor, "_MOST_SECONDS", 2.0)
    late = write_side.record(paid(euros(5), order_id=order.id), created(order_id=str(uuid.uuid4())))

    async def unsettled() -> bool:
        return metrics.values("orderflow.audit.aggregates", _OUTCOME).get("unsettled", 0) >= 2

    await eventually(unsettled, what="an audit without a verdict")
    write_side.publish(*late)
    await read_side.has(order.id, version=3)
    assert logs.of(_DIVERGES) == []


async def test_what_is_not_finished_yet_is_no_divergence(
    order: Shown,
    read_side: ReadSide,
    write_side: WriteSide,
    logs: Logs,
    *,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auditor, "_MOST_SECONDS", 5.0)  # more than a suspicion must last
    await read_side.block_writes(blocked=True)
    write_side.publish(*write_side.record(paid(euros(5), order_id=order.id), created(order_id=str(uuid.uuid4()))))

    async def unsettled() -> bool:
        return metrics.values("orderflow.audit.aggregates", _OUTCOME).get("unsettled", 0) >= 2

    await eventually(unsettled, what="an audit without a verdict")
    await read_side.block_writes(blocked=False)
    await read_side.has(order.id, version=3)
    assert logs.of(_DIVERGES) == []


async def test_what_is_quarantined_is_not_judged(
    order: Shown, read_side: ReadSide, write_side: WriteSide, logs: Logs, *, metrics: Metrics
) -> None:
    (recorded,) = write_side.record(paid(euros(5), order_id=order.id))
    broken = headers_of(recorded, traceparent="", tracestate="")
    write_side.publish_raw(write_side.topics["order"], order.id, b"\xff", broken)  # the log itself is in order
    await logs.has("cannot be projected")
    write_side.publish(recorded)  # passes by

    async def left_alone() -> bool:
        return metrics.values("orderflow.audit.aggregates", _OUTCOME).get("not_judged", 0) >= 3

    await eventually(left_alone, what="audits without a verdict")
    assert logs.of(_DIVERGES) == []
    assert (await read_side.view(order.id)).version == 2


@pytest.fixture
async def redis() -> AsyncIterator[TcpProxy]:
    """Stands before Redis."""
    proxy = TcpProxy(REDIS_URL.removeprefix("redis://").partition("/")[0], free_address())
    await proxy.start()
    yield proxy
    await proxy.stop()


class Load:
    """Changes of orders and customers, one after the other, until it is told to stop."""

    def __init__(self, write_side: WriteSide) -> None:
        self._write_side = write_side
        self._customers = [str(uuid.uuid4()) for _ in range(5)]
        self._orders = [str(uuid.uuid4()) for _ in range(60)]

    async def run(self, stop: asyncio.Event) -> None:
        """Publishes a moment after it has recorded, as the relay does."""
        for number in itertools.count():
            if stop.is_set():
                return
            order_id, customer_id = self._orders[number % 60], self._customers[number % 5]
            is_new = not self._write_side.recorded(order_id)
            event = created(order_id=order_id, customer_id=customer_id)
            recorded = self._write_side.record(event if is_new else paid(euros(1), order_id=order_id))
            if number % 7 == 0:
                recorded.append(self._write_side.record_customer(customer_id, f"Zoë {number}"))
            await asyncio.sleep(0.01)
            self._write_side.publish(*recorded)


@pytest.mark.timeout(180)
async def test_nobody_is_accused_under_load_nor_after_an_outage_of_redis_nor_in_a_rebuild(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, metrics: Metrics, *, logs: Logs, redis: TcpProxy
) -> None:
    """All of 60 orders, and their five customers, change all the time; so everybody is a suspect in every audit."""
    own = {
        "audit_interval_seconds": 0.1,
        "audit_sample_size": 200,
        "redis_url": f"redis://{redis.address}/0",
    }

    async def audited(*, orders: int) -> None:
        before = metrics.values("orderflow.audit.aggregates", _OUTCOME).get("agrees", 0)

        async def so_many() -> bool:
            return metrics.values("orderflow.audit.aggregates", _OUTCOME).get("agrees", 0) >= before + orders

        await eventually(so_many, within=60, what="audits")

    stop = asyncio.Event()
    async with running({**settings, **own}), asyncio.TaskGroup() as group:
        await read_side.exists()
        group.create_task(Load(write_side).run(stop))
        await audited(orders=100)
        await redis.stop()
        await logs.has("cache away; its entries follow")
        await audited(orders=20)
        await redis.start()
        await logs.has("cache back, and up to date")
        await audited(orders=60)
        async with open_channel(settings["grpc_listen_address"]) as channel:
            operator = OperatorCalls(channel)
            rebuild = await operator.rebuild()
            assert rebuild.phase == DONE, rebuild.failure
            await audited(orders=60)
            await operator.roll_back()
        await audited(orders=60)
        stop.set()
    assert logs.of(_DIVERGES) == []
    assert metrics.values("orderflow.audit.divergences", _KIND) == {}
    assert "audit failed" not in logs.events()
