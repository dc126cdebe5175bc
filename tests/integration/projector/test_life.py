"""From events in Kafka to documents in Elasticsearch and views in Redis."""

import pytest

from event_schemas import orders as order_events
from orderflow.orders.v1 import views_pb2
from read_models import orders
from tests.integration.projector.conftest import Settings, running
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created, delivered, euros, item, item_added, paid, shipped


def life(order_id: str, customer_id: str) -> list[order_events.OrderEvent]:
    """Six events."""
    return [
        created(order_id=order_id, customer_id=customer_id),
        item_added(item("SKU-2", "Crème"), euros(40), order_id=order_id),
        paid(euros(40), order_id=order_id),
        confirmed(order_id=order_id),
        shipped(order_id=order_id),
        delivered(order_id=order_id),
    ]


def folded(events: list[order_events.OrderEvent], write_side: WriteSide) -> views_pb2.OrderView:
    """What the events and their customer say."""
    view = None
    for version, event in enumerate(events, start=1):
        view = orders.evolve(view, event, version)
    assert view is not None
    return orders.with_customer(view, write_side.customers.get(view.customer_id))


@pytest.mark.usefixtures("projector")
async def test_an_orders_whole_life_ends_in_its_document_and_its_cached_view(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    events = life(order_id, customer_id)
    for recorded in write_side.record(*events):
        write_side.publish(recorded)
    view = await read_side.has(order_id, status="DELIVERED", version=6, customer_version=1)
    await read_side.caught_up()
    document, cached = await read_side.document(order_id), await read_side.cached(order_id)
    assert document
    assert cached
    assert view == folded(events, write_side)
    assert views_pb2.OrderView.FromString(cached.view) == view
    assert (cached.generation, cached.version, cached.source_version) == (1, 6, 1)
    assert cached.project_time_us == document["project_time_us"]


@pytest.mark.usefixtures("projector")
async def test_an_order_is_found_by_words_of_its_customer_and_items(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë Łukasz")
    write_side.publish(*write_side.record(*life(order_id, customer_id)))
    await read_side.caught_up()
    await read_side.elasticsearch.indices.refresh(index=read_side.alias)
    found = await read_side.elasticsearch.search(
        index=read_side.alias, query={"match": {"search_text": {"query": "creme lukasz", "operator": "and"}}}
    )
    assert [hit["_id"] for hit in found["hits"]["hits"]] == [order_id]


@pytest.mark.usefixtures("projector")
async def test_repeats_change_nothing(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    events = write_side.record(*life(order_id, customer_id))
    write_side.publish(*events)
    await read_side.has(order_id, version=6)
    before = await read_side.document(order_id)
    write_side.publish(*events, events[2], events[0], events[0])
    await read_side.caught_up()
    assert await read_side.document(order_id) == before


async def test_old_offsets_change_nothing(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    """Another group has no offsets: it reads everything from the beginning."""
    write_side.record_customer(customer_id, "Zoë")
    write_side.publish(*write_side.record(*life(order_id, customer_id)))
    async with running(settings):
        await read_side.caught_up()
    before = await read_side.document(order_id)
    await read_side.forget_offsets()
    assert (await read_side.lag()).messages == 6
    async with running(settings):
        await read_side.caught_up()
    assert await read_side.document(order_id) == before


@pytest.mark.usefixtures("projector")
async def test_a_gap_is_healed_from_the_event_log(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    events = life(order_id, customer_id)
    recorded = write_side.record(*events)
    write_side.publish(recorded[0], recorded[3])
    await read_side.has(order_id, status="CONFIRMED", version=4)
    write_side.publish(recorded[5], recorded[1])
    assert await read_side.has(order_id, version=6) == folded(events, write_side)


@pytest.mark.usefixtures("projector")
async def test_an_order_whose_creation_never_came_is_healed_too(
    write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    events = life(order_id, customer_id)
    write_side.publish(write_side.record(*events)[-1])
    assert await read_side.has(order_id, version=6) == folded(events, write_side)


async def test_topics_may_be_made_after_the_projector_has_started(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, order_id: str, customer_id: str
) -> None:
    settings["kafka_topic_prefix"] = f"{settings['kafka_topic_prefix']}-later"
    later = WriteSide(settings["kafka_topic_prefix"], write_side.address)  # type: ignore[abstract]
    try:
        async with running(settings):
            await read_side.exists()
            await later.create_topics()
            later.publish(*later.record(created(order_id=order_id, customer_id=customer_id)))
            await read_side.has(order_id, version=1)
    finally:
        await later.delete_topics()
