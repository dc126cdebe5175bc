"""The write side as the projector sees it: topics, CustomerService and EventLogService over events in memory."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from event_schemas.orders import OrderEvent
from orderflow.admin.v1 import relay_admin_service_pb2, relay_admin_service_pb2_grpc
from orderflow.customers.v1 import (
    customer_pb2,
    customer_service_pb2_grpc,
    personal_data_service_pb2,
    personal_data_service_pb2_grpc,
    queries_pb2,
)
from orderflow.customers.v1 import events_pb2 as customer_events
from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from service_kit.cloudevents import Headers, headers_of
from tests.support.servers import KAFKA_BROKERS
from tests.unit.read_models.builders import at

Context = grpc.aio.ServicerContext[Any, Any]
PARTITIONS = 3
SHARDS = 2
_SEALED = b"sealed:"
_LOG_CHUNK = 20
_POLL_SECONDS = 0.02


class WriteSide(
    customer_service_pb2_grpc.CustomerServiceServicer,
    event_log_pb2_grpc.EventLogServiceServicer,
    personal_data_service_pb2_grpc.PersonalDataServiceServicer,
    relay_admin_service_pb2_grpc.RelayAdminServiceServicer,
):
    """Records events, publishes them as the relay does, and answers from what is recorded, never stale.

    Args:
        prefix: of the topics' names.
        address: where it serves gRPC.
    """

    def __init__(self, prefix: str, address: str) -> None:
        self.address = address
        self.topics = {kind: f"{prefix}.{kind}s.events.v1" for kind in ("order", "customer")}
        self.customers: dict[str, customer_pb2.Customer] = {}
        self.meanwhile: list[Callable[[], Awaitable[None]]] = []
        """What happens, look-up by look-up, while a look-up's answer is on its way."""
        self.while_opened: list[Callable[[], Awaitable[None]]] = []
        """What happens, opening by opening, while what was opened is on its way."""
        self.destroyed: set[str] = set()
        """The ids of keys with which nothing opens any more."""
        self.reading_log: Callable[[], Awaitable[None]] = _at_once
        """What is waited for before each chunk of the log."""
        self.while_read: list[Callable[[], Awaitable[None]]] = []
        """What happens, read by read, after an aggregate's events were read and before the reader has them."""
        self.followed: set[int] = set()
        """The shards that somebody has read to their ends to wait for more."""
        self._recorded: dict[str, list[event_log_pb2.RecordedEvent]] = defaultdict(list)
        self._position = 0
        self._published: set[int] = set()
        self._producer = Producer({"bootstrap.servers": KAFKA_BROKERS, "linger.ms": 0, "enable.idempotence": True})
        self._admin = AdminClient({"bootstrap.servers": KAFKA_BROKERS})
        self._server: grpc.aio.Server | None = None

    async def create_topics(self) -> None:
        """Makes the topics."""
        topics = [NewTopic(topic, PARTITIONS, 1) for topic in self.topics.values()]
        await asyncio.gather(*map(asyncio.wrap_future, self._admin.create_topics(topics).values()))

    async def delete_topics(self) -> None:
        """Deletes the topics, as far as they are there."""
        deleting = self._admin.delete_topics(list(self.topics.values())).values()
        await asyncio.gather(*map(asyncio.wrap_future, deleting), return_exceptions=True)

    async def start(self) -> None:
        """Serves."""
        self._server = grpc.aio.server()
        customer_service_pb2_grpc.add_CustomerServiceServicer_to_server(self, self._server)
        event_log_pb2_grpc.add_EventLogServiceServicer_to_server(self, self._server)
        personal_data_service_pb2_grpc.add_PersonalDataServiceServicer_to_server(self, self._server)
        relay_admin_service_pb2_grpc.add_RelayAdminServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        """Goes away until started again."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    def record(self, *events: OrderEvent, traceparent: str = "") -> list[event_log_pb2.RecordedEvent]:
        """Appends orders' events to the log, without publishing them."""
        recorded = [self._append("order", event.order_id, event) for event in events]
        for each in recorded:
            each.metadata.traceparent = traceparent
        return recorded

    def recorded(self, aggregate_id: str) -> int:
        """How many events an aggregate has."""
        return len(self._recorded[aggregate_id])

    def history(self, aggregate_id: str) -> list[event_log_pb2.RecordedEvent]:
        """All that is recorded of an aggregate."""
        return list(self._recorded[aggregate_id])

    def forget(self, aggregate_id: str) -> None:
        """Loses an aggregate's events."""
        del self._recorded[aggregate_id]

    def lose(self, aggregate_id: str, version: int) -> None:
        """Loses one of an aggregate's events."""
        self._recorded[aggregate_id] = [each for each in self._recorded[aggregate_id] if each.version != version]

    def record_customer(
        self, customer_id: str, name: str, *, email: str = "zoe@example.com", erased: bool = False
    ) -> event_log_pb2.RecordedEvent:
        """Appends a customer's next event to the log, without publishing it."""
        version = len(self._recorded[customer_id]) + 1
        self.customers[customer_id] = customer_pb2.Customer(
            customer_id=customer_id,
            name="" if erased else name,
            email="" if erased else email,
            version=version,
            erase_time=at(9) if erased else None,
        )
        kind = customer_events.CustomerRegistered if version == 1 else customer_events.CustomerUpdated
        personal = customer_events.CustomerPersonalData(name=name, email=email)
        event = (
            customer_events.CustomerErased(customer_id=customer_id)
            if erased
            else kind(customer_id=customer_id, personal_data=personal)
        )
        return self._append("customer", customer_id, event)

    def publish(
        self, *recorded: event_log_pb2.RecordedEvent, partition: int | None = None, traceparent: str = ""
    ) -> None:
        """Sends events to Kafka, each to its aggregate's partition unless told another."""
        for event in recorded:
            self._published.add(event.position)
            self.publish_raw(
                self.topics[event.aggregate_type],
                event.aggregate_id,
                event.event_data,
                headers_of(event, traceparent=traceparent, tracestate=""),
                partition=partition,
            )

    def publish_raw(
        self,
        topic: str,
        key: str | None,
        value: bytes | None,
        headers: Headers,
        *,
        partition: int | None = None,
    ) -> None:
        """Sends any message."""
        chosen = int((key or "0")[:8], 16) % PARTITIONS if partition is None else partition
        self._producer.produce(topic, value=value, key=key, partition=chosen, headers=headers)
        self._producer.flush()

    async def BatchGetCustomers(
        self,
        request: queries_pb2.BatchGetCustomersRequest,
        context: Context,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> queries_pb2.BatchGetCustomersResponse:
        """The customers as they are now."""
        response = queries_pb2.BatchGetCustomersResponse(
            customers=[self.customers[id_] for id_ in request.customer_ids if id_ in self.customers],
            missing_customer_ids=[id_ for id_ in request.customer_ids if id_ not in self.customers],
        )
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        return response

    async def OpenPersonalData(
        self,
        request: personal_data_service_pb2.OpenPersonalDataRequest,
        context: Context,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> personal_data_service_pb2.OpenPersonalDataResponse:
        """What `sealed` sealed, as the keys are now."""
        response = personal_data_service_pb2.OpenPersonalDataResponse()
        for each in request.items:
            if each.key_id in self.destroyed:
                response.items.add(state=personal_data_service_pb2.PERSONAL_DATA_STATE_ERASED)
            else:
                data = each.sealed.removeprefix(_SEALED)
                response.items.add(state=personal_data_service_pb2.PERSONAL_DATA_STATE_OPENED, personal_data=data)
        if self.while_opened:
            await self.while_opened.pop(0)()
        return response

    async def ReadAggregate(
        self,
        request: event_log_pb2.ReadAggregateRequest,
        context: Context,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> AsyncIterator[event_log_pb2.ReadAggregateResponse]:
        """A range of versions in one chunk."""
        to = request.to_version if request.HasField("to_version") else self._position
        wanted = range(request.after_version + 1, to + 1)
        events = [each for each in self._recorded[request.aggregate_id] if each.version in wanted]
        yield event_log_pb2.ReadAggregateResponse(events=events)
        if self.while_read:
            await self.while_read.pop(0)()

    async def ReadLog(
        self,
        request: event_log_pb2.ReadLogRequest,
        context: Context,  # noqa: ARG002 -- the stub fixes the arguments
    ) -> AsyncIterator[event_log_pb2.ReadLogResponse]:
        """A shard, in small chunks."""
        position = request.after_position
        while True:
            log = [each for events in self._recorded.values() for each in events if each.log_shard == request.log_shard]
            log = sorted((each for each in log if each.position > position), key=lambda each: each.position)
            for start in range(0, len(log), _LOG_CHUNK):
                chunk = log[start : start + _LOG_CHUNK]
                await self.reading_log()
                wanted = [each for each in chunk if each.aggregate_type in request.aggregate_types]
                position = chunk[-1].position
                yield event_log_pb2.ReadLogResponse(events=wanted, position=position)
            if not request.follow:
                return
            self.followed.add(request.log_shard)
            await asyncio.sleep(_POLL_SECONDS)

    async def GetRelayStatus(
        self,
        request: relay_admin_service_pb2.GetRelayStatusRequest,  # noqa: ARG002 -- the stub fixes the arguments
        context: Context,  # noqa: ARG002
    ) -> relay_admin_service_pb2.GetRelayStatusResponse:
        """Each shard's head, and up to where all of it has been published."""
        positions: dict[int, list[int]] = {shard: [] for shard in range(SHARDS)}
        for events in self._recorded.values():
            for each in events:
                positions[each.log_shard].append(each.position)
        response = relay_admin_service_pb2.GetRelayStatusResponse()
        for shard, of_shard in positions.items():
            published = itertools.takewhile(self._published.__contains__, sorted(of_shard))
            response.shards.add(
                log_shard=shard, head_position=max(of_shard, default=0), cursor_position=max(published, default=0)
            )
        return response

    def _append(self, aggregate_type: str, aggregate_id: str, event: Any) -> event_log_pb2.RecordedEvent:
        self._position += 1
        recorded = event_log_pb2.RecordedEvent(
            position=self._position,
            log_shard=int(aggregate_id[-1], 16) % SHARDS,
            aggregate_type=aggregate_type,
            aggregate_id=aggregate_id,
            version=len(self._recorded[aggregate_id]) + 1,
            event_type=event.DESCRIPTOR.full_name,
            event_data=event.SerializeToString(),
            record_time=at(self._position),
        )
        self._recorded[aggregate_id].append(recorded)
        return recorded


def sealed(event: Any, key_id: str) -> Any:
    """The event with its personal data as if it were sealed; it is changed."""
    data = _SEALED + event.personal_data.SerializeToString()
    event.personal_data.Clear()
    event.personal_data.sealed, event.personal_data.key_id = data, key_id
    return event


async def _at_once() -> None:
    pass
