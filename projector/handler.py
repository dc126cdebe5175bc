"""Handles batches of messages: the order of things between Kafka and the projection."""

from collections.abc import Mapping, Sequence

from confluent_kafka import Message

from projector.batch import Batch
from projector.projection import OrderProjection
from read_models.read_model import ORDERS
from service_kit.kafka_consumer import Partition

PROJECTION = ORDERS.name


class BatchHandler:
    """Projects batches; what it answers is for the consumer, which commits and stops partitions by it."""

    def __init__(self, projection: OrderProjection, *, group: str) -> None:
        self._projection = projection
        self._group = group

    async def handle(self, messages: Sequence[Message]) -> Mapping[Partition, int]:
        """Projects a batch; answers, for each partition that must stop, the first offset that is not finished.

        Raises:
            Outage: the process is to stop, and the batch is not finished.
        """
        with Batch(messages, group=self._group, projection=PROJECTION) as batch:
            orders, customers = batch.orders, batch.customers
            batch.fail(orders, await self._projection.project(orders.events, orders.spans))
            versions = {id_: max(each.version for each in events) for id_, events in customers.events.items()}
            batch.fail(customers, await self._projection.follow_customers(versions, customers.spans))
            return batch.stops
