"""Orders show their customers as these are now, whichever comes first."""

import uuid

import pytest

from projector import documents
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created

pytestmark = pytest.mark.usefixtures("projector")


async def test_an_order_of_an_unknown_customer_is_indexed_at_once_and_completed_later(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
    view = await read_side.has(order_id, version=1, enrichment="PENDING", customer_version=0)
    assert (view.customer_name, view.customer_email) == ("", "")
    write_side.publish(write_side.record_customer(customer_id, "Zoë"))
    view = await read_side.has(order_id, version=1, enrichment="COMPLETE", customer_version=1)
    assert (view.customer_name, view.customer_email) == ("Zoë", "zoe@example.com")


async def test_an_order_whose_customer_id_is_none_is_indexed_all_the_same(
    write_side: WriteSide, read_side: ReadSide, order_id: str
) -> None:
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id="somebody")))
    await read_side.has(order_id, version=1, enrichment="PENDING")


async def test_a_pending_order_is_completed_with_its_next_event_too(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
    await read_side.has(order_id, enrichment="PENDING")
    write_side.record_customer(customer_id, "Zoë")
    write_side.publish(*write_side.record(confirmed(order_id=order_id)))
    await read_side.has(order_id, version=2, enrichment="COMPLETE")


async def test_a_changed_customer_reaches_all_their_orders_and_no_others(
    write_side: WriteSide, read_side: ReadSide, customer_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_PAGE", 3)
    theirs, others = [str(uuid.uuid4()) for _ in range(10)], str(uuid.uuid4())
    other_customer = str(uuid.uuid4())
    write_side.publish(
        write_side.record_customer(customer_id, "Zoë"), write_side.record_customer(other_customer, "Max")
    )
    write_side.publish(*write_side.record(*(created(order_id=each, customer_id=customer_id) for each in theirs)))
    write_side.publish(*write_side.record(created(order_id=others, customer_id=other_customer)))
    await read_side.caught_up()
    untouched = await read_side.document(others)
    write_side.publish(write_side.record_customer(customer_id, "Zoe", email="new@example.com"))
    for each in theirs:
        view = await read_side.has(each, customer_version=2)
        assert (view.customer_name, view.customer_email, view.version) == ("Zoe", "new@example.com", 1)
    await read_side.caught_up()
    cached = [await read_side.cached(each) for each in theirs]
    assert all(each and each.source_version == 2 for each in cached)
    assert await read_side.document(others) == untouched


async def test_an_erased_customer_disappears_from_their_orders(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.publish(write_side.record_customer(customer_id, "Quirin", email="quirin@example.com"))
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
    await read_side.has(order_id, enrichment="COMPLETE")
    write_side.publish(write_side.record_customer(customer_id, "", erased=True))
    view = await read_side.has(order_id, enrichment="ERASED", customer_version=2)
    assert (view.customer_name, view.customer_email) == ("", "")
    document = await read_side.document(order_id)
    assert document
    assert "quirin" not in " ".join(document["search_text"])
