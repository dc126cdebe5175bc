"""The auditor finds and repairs what was damaged by hand, and accuses nobody of being late."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from orderflow.orders.v1 import views_pb2
from projector.audit import auditor
from read_models import orders_index
from service_kit.view_cache import CachedView
from tests.integration.projector.conftest import Logs, Settings, running
from tests.integration.projector.metrics import Metrics
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
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


async def _accused(logs: Logs, metrics: Metrics, order_id: str, store: str, kind: str) -> None:
    """The one divergence is told and counted, with its repair, and nothing else."""
    entry = await logs.has(_DIVERGES)

    async def repaired() -> bool:
        return metrics.values("orderflow.audit.repairs", _STORE) == {store: 1}

    await eventually(repaired, what="a repair")
    assert (entry["store"], entry["kind"], entry["order_id"]) == (store, kind, order_id)
    assert entry["log_level"] == "error"
    assert metrics.values("orderflow.audit.divergences", _KIND) == {kind: 1}
    assert metrics.values("orderflow.audit.divergences", _STORE) == {store: 1}
    assert metrics.values("orderflow.audit.repairs", "orderflow.repair.done") == {"True": 1}
    assert "divergence not repaired" not in logs.events()
    assert not any("Zoë" in str(value) or "zoe@" in str(value) for value in entry.values())
    before = metrics.values("orderflow.audit.orders", _OUTCOME).get("agrees", 0)

    async def audited_again() -> bool:
        return metrics.values("orderflow.audit.orders", _OUTCOME).get("agrees", 0) > before + 10

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


async def test_an_event_that_a_document_ahead_of_the_log_hid_is_not_lost(
    order: Shown, read_side: ReadSide, write_side: WriteSide, logs: Logs
) -> None:
    wrong = await read_side.view(order.id)
    wrong.version = 9
    await _rewrite_view(read_side, wrong)
    for version in (3, 4):
        write_side.publish(*write_side.record(paid(euros(5), order_id=order.id)))
        await read_side.has(order.id, version=version)
    await logs.has(_DIVERGES)


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
    assert (entry["kind"], entry["order_id"]) == ("ahead", unknown.order_id)
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
        return metrics.values("orderflow.audit.orders", _OUTCOME).get("unsettled", 0) >= 2

    await eventually(unsettled, what="an audit without a verdict")
    write_side.publish(*late)
    await read_side.has(order.id, version=3)
    assert logs.of(_DIVERGES) == []


async def test_what_is_quarantined_is_not_judged(
    order: Shown, read_side: ReadSide, write_side: WriteSide, logs: Logs, metrics: Metrics
) -> None:
    (unreadable,) = write_side.record(paid(euros(5), order_id=order.id))
    unreadable.event_type = "orderflow.orders.v1.Unheard"
    write_side.publish(unreadable)
    await logs.has("cannot be projected")

    async def left_alone() -> bool:
        return metrics.values("orderflow.audit.orders", _OUTCOME).get("not_judged", 0) >= 3

    await eventually(left_alone, what="audits without a verdict")
    assert logs.of(_DIVERGES) == []
    assert (await read_side.view(order.id)).version == 2


async def test_nobody_is_accused_under_load(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, metrics: Metrics, logs: Logs
) -> None:
    """Orders and customers change all the time while everything is audited that can be."""
    customers = [str(uuid.uuid4()) for _ in range(5)]
    orders = [str(uuid.uuid4()) for _ in range(60)]
    async with running({**settings, **_AUDITING, "audit_sample_size": 200, "batch_size": 20}):
        await read_side.exists()
        for _ in range(12):
            for number, order_id in enumerate(orders):
                customer_id = customers[number % len(customers)]
                is_new = write_side.recorded(order_id) == 0
                event = (
                    created(order_id=order_id, customer_id=customer_id) if is_new else paid(euros(1), order_id=order_id)
                )
                recorded = write_side.record(event)
                if number % 7 == 0:
                    recorded.append(write_side.record_customer(customer_id, f"Zoë {uuid.uuid4()}"))
                await asyncio.sleep(0.01)  # the log is ahead of Kafka for a moment, as it always is
                write_side.publish(*recorded)
        audits = metrics.values("orderflow.audit.orders", _OUTCOME)

        async def all_agree() -> bool:
            return metrics.values("orderflow.audit.orders", _OUTCOME).get("agrees", 0) > audits.get("agrees", 0) + 200

        await eventually(all_agree, what="an audit of what stands still")
        assert logs.of(_DIVERGES) == []
        assert metrics.values("orderflow.audit.divergences", _KIND) == {}
        assert "audit failed" not in logs.events()
