"""Personal data that comes sealed: opened with the look for customers, marked while it cannot be, gone once erased."""

import asyncio
import uuid
from typing import Any

import pytest

from orderflow.customers.v1 import events_pb2 as customer_events
from orderflow.orders.v1 import views_pb2
from projector.aggregate_projection import NO_SKIPS, Failures, Skips
from projector.erasures import Erasures
from projector.events import Events, ReadableEvent
from projector.generations import Generations
from projector.patience import Patience
from projector.tracing import Spans
from read_models.orders import ORDERS
from tests.integration.projector.conftest import Settings, running
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide, sealed
from tests.unit.read_models.builders import confirmed, created

KEY = str(uuid.uuid4())
STREET = "Hauptstraße 1"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return {**settings, "customer_pause_seconds": 0.2, "backfill_seconds": 1}


def order(write_side: WriteSide, customer_id: str) -> str:
    """An order whose address comes sealed."""
    order_id = str(uuid.uuid4())
    write_side.publish(*write_side.record(sealed(created(order_id=order_id, customer_id=customer_id), KEY)))
    return order_id


def erase(write_side: WriteSide, customer_id: str) -> None:
    write_side.destroyed.add(KEY)
    write_side.publish(write_side.record_customer(customer_id, "", erased=True))


async def gone(read_side: ReadSide, order_id: str) -> views_pb2.OrderView:
    """The view, once its customer is erased in it: then nothing personal is left."""
    view = await read_side.has(order_id, enrichment="ERASED")
    assert not view.HasField("shipping_address")
    assert not view.HasField("sealed_personal_data")
    assert (view.address_full, view.customer_name) == ("", "")
    document = await read_side.document(order_id)
    assert document is not None
    assert not any("hauptstrasse" in text for text in document["search_text"])
    return view


async def test_an_address_is_opened_and_also_that_of_a_customer_who_does_not_exist(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    async with running(settings):
        unknown = order(write_side, customer_id)
        view = await read_side.has(unknown, version=1, enrichment="PENDING")
        assert STREET in view.address_full
        assert not view.HasField("sealed_personal_data")


async def test_what_cannot_be_opened_waits_sealed_and_later_events_are_shown_meanwhile(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        await read_side.exists()
        await write_side.stop()
        order_id = order(write_side, customer_id)
        view = await read_side.has(order_id, version=1, enrichment="SEALED")
        assert (view.address_full, view.HasField("sealed_personal_data")) == ("", True)
        write_side.publish(*write_side.record(confirmed(order_id=order_id)))
        await read_side.has(order_id, version=2, enrichment="SEALED")
        await write_side.start()
        view = await read_side.has(order_id, version=2, enrichment="COMPLETE")
        assert STREET in view.address_full
        assert not view.HasField("sealed_personal_data")


async def test_an_erasure_reaches_addresses_while_the_command_server_is_away(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        opened = order(write_side, customer_id)
        await read_side.has(opened, version=1, enrichment="COMPLETE")
        await read_side.caught_up()
        await write_side.stop()
        waiting = order(write_side, customer_id)
        await read_side.has(waiting, version=1, enrichment="SEALED")
        erase(write_side, customer_id)
        for each in (opened, waiting):
            await gone(read_side, each)
        await write_side.start()


async def test_an_address_that_was_opened_before_an_erasure_and_written_after_it_goes(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        bystander = order(write_side, customer_id)
        await read_side.has(bystander, version=1, enrichment="COMPLETE")
        followed = asyncio.Event()

        async def erased_meanwhile() -> None:
            """What is opened is on its way; the customer is erased, and another process has followed that."""
            write_side.destroyed.add(KEY)
            write_side.record_customer(customer_id, "", erased=True)
            followed.set()

        write_side.while_opened = [erased_meanwhile]
        order_id = order(write_side, customer_id)
        await asyncio.wait_for(followed.wait(), 30)
        await gone(read_side, order_id)


async def test_a_name_that_comes_sealed_is_looked_up_and_marked_where_it_cannot_be(
    *, settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    async with running(settings):
        order_id = order(write_side, customer_id)
        await read_side.has(order_id, version=1, enrichment="COMPLETE", customer_version=1)
        await read_side.caught_up()
        await write_side.stop()
        renamed = write_side.record_customer(customer_id, "Zoe")
        event = customer_events.CustomerUpdated.FromString(renamed.event_data)
        renamed.event_data = sealed(event, KEY).SerializeToString()
        write_side.publish(renamed)
        view = await read_side.has(order_id, enrichment="PENDING")
        assert (view.customer_name, view.customer_version) == ("Zoë", 1)
        await write_side.start()
        view = await read_side.has(order_id, enrichment="COMPLETE", customer_version=2)
        assert view.customer_name == "Zoe"


class _Nothing:
    """A projection that is done at once."""

    async def project(self, events: Events, spans: Spans, skips: Skips = NO_SKIPS) -> Failures:  # noqa: ARG002
        return {}

    async def shown_version(self, id_: str) -> None:  # noqa: ARG002
        return None


async def test_generations_that_are_not_fed_lose_erased_customers_and_the_live_one_is_left_to_its_feeder(
    read_side: ReadSide, customer_id: str
) -> None:
    other = str(uuid.uuid4())
    body = ORDERS.index_body()
    meta = {"writers": "w", "mapping_hash": "another", "stage": "COMPLETE", "filled": True}
    meta |= {"replaced": "", "beat": "", "rebuild": None}
    body["mappings"]["_meta"] = meta
    live = f"{read_side.alias}-000002"
    for index in (read_side.index, live):
        aliases: dict[str, Any] = {read_side.alias: {}} if index == live else {}
        await read_side.elasticsearch.indices.create(index=index, aliases=aliases, **body)
        for each in (customer_id, other):
            view = ORDERS.evolve(None, created(order_id=each, customer_id=each), 1)
            document = ORDERS.document(view, project_time_us=0)
            await read_side.elasticsearch.index(index=index, id=each, document=document, refresh=True)
    generations = Generations(read_side.elasticsearch, ORDERS, read_side.prefix)
    projection: Any = _Nothing()
    erasures = Erasures(projection, read_side.elasticsearch, generations, Patience(asyncio.Event()))
    event = customer_events.CustomerErased(customer_id=customer_id)
    events: Any = {customer_id: [ReadableEvent("customer", customer_id, 2, event)]}
    assert await erasures.project(events, {}) == {}
    counts = [
        (await read_side.elasticsearch.count(index=index, query={"term": {"customer_id": each}}))["count"]
        for index in (read_side.index, live)
        for each in (customer_id, other)
    ]
    assert counts == [0, 1, 1, 1]
