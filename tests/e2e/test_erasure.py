"""An erased customer is nowhere any more: every store is searched for what was planted in it."""

import asyncio
import base64
import binascii
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from deploy.local.profile import OWNER_ROLE, Profile
from orderflow.admin.v1 import quarantine_pb2, rebuild_pb2, relay_admin_service_pb2
from orderflow.common.v1 import address_pb2
from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.customers.v1 import queries_pb2 as customer_queries
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import queries_pb2, views_pb2
from tests.support.checker import assert_documents_equal_the_log
from tests.support.eventually import eventually
from tests.support.servers import KAFKA_BROKERS, READ_ES_URL, REDIS_URL
from tests.support.system import Clients, System, create_order, rpc_reason

pytestmark = pytest.mark.timeout(240)
_ORDERS_TOPIC = "orderflow.orders.events.v1"


class Planted:
    """Words that nobody else has."""

    def __init__(self) -> None:
        mark = uuid.uuid4().hex[:10]
        self.name = f"Ottilie Quandt{mark}"
        self.email = f"ottilie{mark}@example.org"
        self.street = f"Fliederweg {mark}"
        self.mark = mark.encode()

    async def registered(self, clients: Clients) -> str:
        """A customer with them."""
        request = customer_commands.RegisterCustomerRequest(
            request_id=str(uuid.uuid4()), name=self.name, email=self.email
        )
        return (await clients.customers.RegisterCustomer(request)).customer_id

    async def ordered(self, clients: Clients, customer_id: str, request_id: str = "") -> commands.CreateOrderResponse:
        """An order of theirs to their street."""
        return await clients.orders.CreateOrder(self.order(customer_id, request_id))

    def order(self, customer_id: str, request_id: str = "") -> commands.CreateOrderRequest:
        """The command for it."""
        request = create_order(customer_id, request_id=request_id)
        request.shipping_address.CopyFrom(
            address_pb2.Address(
                recipient=self.name,
                address_lines=[self.street],
                postal_code="10115",
                locality="Berlin",
                region_code="DE",
            )
        )
        return request


def in_postgresql() -> bytes:
    """All rows of all tables."""
    content = b""
    with psycopg.connect(Profile("test").database_url(OWNER_ROLE), autocommit=True) as connection:
        for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            with connection.cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT (FORMAT binary)') as rows:
                content += b"".join(bytes(row) for row in rows)
    return content


def messages() -> list[Message]:
    """All messages of all topics."""
    consumer = Consumer(
        {"bootstrap.servers": KAFKA_BROKERS, "group.id": str(uuid.uuid4()), "enable.partition.eof": False}
    )
    found: list[Message] = []
    try:
        topics = consumer.list_topics(timeout=10).topics
        partitions = [
            TopicPartition(name, each, 0)
            for name, topic in topics.items()
            if name.startswith("orderflow.") and name.endswith(".events.v1")
            for each in topic.partitions
        ]
        ends = {(each.topic, each.partition): consumer.get_watermark_offsets(each, 10)[1] for each in partitions}
        consumer.assign(partitions)
        while len(found) < sum(ends.values()):
            found.extend(consumer.consume(1000, 1.0))
    finally:
        consumer.close()
    return found


def in_kafka() -> bytes:
    """All that they say."""
    return b"".join((each.value() or b"") + repr(each.headers()).encode() for each in messages())


def _texts(value: Any) -> Iterator[bytes]:
    """Every text in a document, and what it is the base64 of."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield name.encode()
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value.encode()
        try:
            yield base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return


async def in_elasticsearch() -> bytes:
    """All documents of all indices, of old generations too, and of the quarantine."""
    content = b""
    async with AsyncElasticsearch(READ_ES_URL) as elasticsearch:
        await elasticsearch.indices.refresh(index="orderflow-*")
        for index in await elasticsearch.indices.get(index="orderflow-*"):
            answer = await elasticsearch.search(index=index, scroll="1m", size=1000)
            while hits := answer["hits"]["hits"]:
                content += b"\n".join(text for hit in hits for text in _texts(hit["_source"]))
                answer = await elasticsearch.scroll(scroll_id=answer["_scroll_id"], scroll="1m")
            await elasticsearch.clear_scroll(scroll_id=answer["_scroll_id"])
    return content


async def in_redis() -> bytes:
    """All keys and values; views are hashes."""
    content = b""
    async with Redis.from_url(REDIS_URL) as redis:
        async for key in redis.scan_iter():
            fields: Any = await redis.hgetall(key) if await redis.type(key) == b"hash" else {}
            content += key + b"".join(name + value for name, value in fields.items())
            content += await redis.dump(key) or b""
    return content


async def quarantine_an_event(clients: Clients, order_id: str, of: str) -> None:
    """Publishes an order's creation, which holds personal data, as if it were another order's second event."""
    [creation] = [each for each in await asyncio.to_thread(messages) if each.key() == of.encode()]
    headers = dict(creation.headers() or [])
    headers |= {"ce_subject": order_id.encode(), "ce_aggregateversion": b"2", "ce_id": str(uuid.uuid4()).encode()}
    producer = Producer({"bootstrap.servers": KAFKA_BROKERS})
    producer.produce(_ORDERS_TOPIC, creation.value(), order_id.encode(), headers=list(headers.items()))
    producer.flush(10)
    asked = quarantine_pb2.GetQuarantinedRequest(id=f"order/{order_id}", projection="orders")

    async def there() -> bool:
        try:
            entry = await clients.projections.GetQuarantined(asked)
        except grpc.aio.AioRpcError:
            return False
        return entry.message.value == creation.value()

    await eventually(there, what="the entry in the quarantine")


async def view_of(clients: Clients, order_id: str, **at: int) -> views_pb2.OrderView:
    return (await clients.queries.GetOrder(queries_pb2.GetOrderRequest(order_id=order_id, **at))).order  # type: ignore[arg-type]


async def rebuilt(clients: Clients, projection: str) -> None:
    started = await clients.projections.RebuildProjection(rebuild_pb2.RebuildProjectionRequest(name=projection))
    asked = rebuild_pb2.GetRebuildRequest(name=projection, generation=started.rebuild.generation)

    async def done() -> bool:
        rebuild = (await clients.projections.GetRebuild(asked)).rebuild
        assert rebuild.phase != rebuild_pb2.REBUILD_PHASE_FAILED, rebuild.failure
        return rebuild.phase == rebuild_pb2.REBUILD_PHASE_DONE

    await eventually(done, within=90, what=f"the rebuild of {projection}")


def erasure_check(system: System, customer_id: str) -> "subprocess.CompletedProcess[str]":
    stack = system.stack
    environment = {
        **os.environ,
        "ORDERFLOW_COMMAND_ADDRESS": stack.address("command_service"),
        "ORDERFLOW_PROJECTOR_ADDRESS": stack.address("projector"),
    }
    program = [str(Path(sys.executable).with_name("ordersctl")), "--json", "customer", "erasure-check", customer_id]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def test_an_erased_customer_is_in_no_store_any_more_and_stays_erased_in_rebuilds(  # noqa: PLR0915 -- a journey
    system: System, clients: Clients
) -> None:
    planted, request_id = Planted(), str(uuid.uuid4())
    customer_id = await planted.registered(clients)
    first = await planted.ordered(clients, customer_id, request_id)
    second = await planted.ordered(clients, customer_id)

    async def shown() -> bool:
        view = await view_of(clients, first.order_id)
        assert (view.customer_name, view.customer_email) == (planted.name, planted.email)
        assert planted.street in view.address_full
        assert not view.HasField("sealed_personal_data")
        return view.enrichment_state == views_pb2.ENRICHMENT_STATE_COMPLETE

    for projection in ("orders", "customers"):  # so that an older generation holds it, too
        await eventually(lambda: _no_refusal(shown), what="the order with name and address")
        await rebuilt(clients, projection)
    await eventually(shown, what="the order with name and address after a rebuild")
    past = await view_of(clients, first.order_id, at_version=1)
    assert planted.street in past.address_full
    await quarantine_an_event(clients, second.order_id, of=first.order_id)
    assert planted.mark in await in_elasticsearch()
    assert planted.mark in await in_redis()
    for never in (in_postgresql, in_kafka):
        assert planted.mark not in await asyncio.to_thread(never)
    before = erasure_check(system, customer_id)
    assert before.returncode == 4, before.stdout + before.stderr

    erase = customer_commands.EraseCustomerRequest(request_id=str(uuid.uuid4()), customer_id=customer_id)
    erased = await clients.customers.EraseCustomer(erase)
    assert erased.version == 2
    assert await clients.customers.EraseCustomer(erase) == erased
    again = customer_commands.EraseCustomerRequest(customer_id=customer_id)
    assert (await clients.customers.EraseCustomer(again)).version == 2

    async def gone() -> bool:
        for each in (first, second):
            view = await view_of(clients, each.order_id)
            assert view.enrichment_state == views_pb2.ENRICHMENT_STATE_ERASED
        assert planted.mark not in await in_elasticsearch()
        assert planted.mark not in await in_redis()
        return True

    await eventually(gone, what="the customer gone from the read side")
    for never in (in_postgresql, in_kafka):
        assert planted.mark not in await asyncio.to_thread(never)
    got = (await clients.customers.GetCustomer(customer_queries.GetCustomerRequest(customer_id=customer_id))).customer
    assert (got.name, got.email, got.HasField("erase_time")) == ("", "", True)
    past = await view_of(clients, first.order_id, at_version=1)
    assert (past.address_full, past.HasField("shipping_address")) == ("", False)
    history = clients.queries.GetOrderHistory(queries_pb2.GetOrderHistoryRequest(order_id=first.order_id))
    [event] = [event async for chunk in history for event in chunk.events]
    assert event.event.order_created.personal_data.ByteSize() == 0
    after = erasure_check(system, customer_id)
    assert after.returncode == 0, after.stdout + after.stderr
    places = {(found["store"], found["place"]) for found in map(json.loads, after.stdout.splitlines())}
    assert {
        ("postgresql", "event_store"),
        ("redis", "order:read:*"),
        ("elasticsearch", "orderflow-quarantine"),
    } <= places

    repeated = await planted.ordered(clients, customer_id, request_id)
    assert repeated == first
    for validate_only in (False, True):
        order = planted.order(customer_id)
        order.validate_only = validate_only
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await clients.orders.CreateOrder(order)
        assert rpc_reason(refused.value) == "CUSTOMER_NOT_FOUND"
    for projection in ("orders", "customers"):
        await rebuilt(clients, projection)
    view = await view_of(clients, first.order_id)
    assert (view.enrichment_state, view.address_full) == (views_pb2.ENRICHMENT_STATE_ERASED, "")
    assert planted.mark not in await in_elasticsearch()


async def test_who_has_ordered_and_was_never_registered_is_erased_once_registered(
    system: System, clients: Clients
) -> None:
    planted, customer_id = Planted(), str(uuid.uuid4())
    created = await planted.ordered(clients, customer_id)
    erase = customer_commands.EraseCustomerRequest(customer_id=customer_id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await clients.customers.EraseCustomer(erase)
    assert rpc_reason(refused.value) == "CUSTOMER_NOT_FOUND"
    registration = customer_commands.RegisterCustomerRequest(
        customer_id=customer_id, name="Nobody", email="nobody@example.org"
    )
    await clients.customers.RegisterCustomer(registration)
    await clients.customers.EraseCustomer(erase)

    async def gone() -> bool:
        view = await view_of(clients, created.order_id)
        assert (view.enrichment_state, view.address_full) == (views_pb2.ENRICHMENT_STATE_ERASED, "")
        assert planted.mark not in await in_elasticsearch()
        assert planted.mark not in await in_redis()
        return True

    await eventually(lambda: _no_refusal(gone), what="the address gone from the read side")
    assert planted.mark not in await asyncio.to_thread(in_postgresql)
    assert erasure_check(system, customer_id).returncode == 0


async def test_while_the_command_server_is_away_documents_wait_sealed_and_are_completed_later(
    system: System, clients: Clients
) -> None:
    planted = Planted()
    customer_id = await planted.registered(clients)
    system.stack.stop("projector")
    created = await planted.ordered(clients, customer_id)
    await eventually(lambda: _published(clients), what="the order in Kafka")
    system.stack.kill("command_service")
    try:
        system.stack.start("projector")

        async def waits() -> bool:
            view = await view_of(clients, created.order_id)
            assert not view.HasField("sealed_personal_data")
            assert (view.customer_name, view.address_full) == ("", "")
            return view.enrichment_state == views_pb2.ENRICHMENT_STATE_PENDING

        await eventually(lambda: _no_refusal(waits), what="the order without its address")
    finally:
        system.stack.start("command_service")

    async def completed() -> bool:
        view = await view_of(clients, created.order_id)
        assert planted.street in view.address_full
        return view.customer_name == planted.name

    await eventually(lambda: _no_refusal(completed), within=60, what="the order with its address")

    async def whole() -> bool:
        await assert_documents_equal_the_log(clients, READ_ES_URL)
        return True

    await eventually(whole, within=60, what="documents that equal the log")


async def _published(clients: Clients) -> bool:

    status = await clients.relay.GetRelayStatus(relay_admin_service_pb2.GetRelayStatusRequest())
    return all(each.lag_events == 0 for each in status.shards)


async def _no_refusal(ask: Any) -> bool:
    """What is asked; not yet, where it is refused."""
    try:
        return bool(await ask())
    except grpc.aio.AioRpcError:
        return False
