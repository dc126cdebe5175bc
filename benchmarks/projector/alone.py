"""What a command's way to readers takes at the least: its steps, each alone, by clients that do nothing else."""

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from elasticsearch import AsyncElasticsearch
from psycopg.rows import TupleRow

from benchmarks.database import BenchDatabase
from benchmarks.projector.history import Order
from deploy.local.profile import Profile
from read_models.orders import ORDERS

_REPEATS = 100
_DATA = b"x" * 250
_COMMIT = """
INSERT INTO event_store (log_shard, aggregate_id, aggregate_type, version, event_type, event_data, metadata, created_at)
VALUES (1, gen_random_uuid(), 'order', 1, 'orderflow.orders.v1.OrderCreated', %b, '', statement_timestamp())
"""


class Alone:
    """A topic and an index of its own, and the bench's database, in a shard of the log that nobody reads."""

    def __init__(self, bench: BenchDatabase, elasticsearch: AsyncElasticsearch) -> None:
        kafka: dict[str, str | int | float | bool] = {"bootstrap.servers": Profile("test").address("kafka")}
        self._name = f"bench-alone-{uuid.uuid4().hex[:12]}"
        self._bench = bench
        self._elasticsearch = elasticsearch
        self._document = Order(str(uuid.uuid4()), str(uuid.uuid4())).document(1)
        self._admin = AdminClient(kafka)
        self._producer = Producer({**kafka, "linger.ms": 0})
        self._consumer = Consumer({**kafka, "group.id": self._name, "enable.auto.commit": False})

    async def __aenter__(self) -> Self:
        (made,) = self._admin.create_topics([NewTopic(self._name, 1, 1)]).values()
        await asyncio.wrap_future(made)
        await self._elasticsearch.indices.create(index=self._name, **ORDERS.index_body())
        self._database: psycopg.AsyncConnection[TupleRow] = await psycopg.AsyncConnection.connect(
            self._bench.url, autocommit=True
        )
        self._consumer.assign([TopicPartition(self._name, 0, 0)])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._producer.flush()
        self._consumer.close()
        await self._database.close()
        await self._elasticsearch.indices.delete(index=self._name)
        (deleted,) = self._admin.delete_topics([self._name]).values()
        await asyncio.wrap_future(deleted)

    async def seconds(self) -> float:
        """The sum of the steps' medians."""
        steps: Sequence[Callable[[], Awaitable[object]]] = (self._commit, self._send_and_receive, self._write)
        return sum([await _median(step) for step in steps])

    async def _commit(self) -> None:
        await self._database.execute(_COMMIT, [_DATA], prepare=True)

    async def _send_and_receive(self) -> None:
        await asyncio.to_thread(self._round)

    def _round(self) -> None:
        self._producer.produce(self._name, value=_DATA)
        self._producer.poll(0)
        while (message := self._consumer.poll(10)) is None or message.error():
            pass

    async def _write(self) -> None:
        document = {**self._document, "order_id": str(uuid.uuid4())}
        operations = [{"create": {"_id": document["order_id"]}}, document]
        answer = await self._elasticsearch.bulk(index=self._name, operations=operations)
        if answer["errors"]:
            raise RuntimeError(f"not written: {answer['items']}")


async def _median(step: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        await step()
        took.append(time.perf_counter() - begin)
    return statistics.median(took)
