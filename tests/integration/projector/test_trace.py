"""Each message's own trace shows its consumption, its projection, the customer's look-up and the write."""

import asyncio
import uuid
from collections.abc import Iterator

import grpc
import pytest

from tests.integration.projector.conftest import Settings
from tests.integration.projector.operator_calls import DONE, OperatorCalls
from tests.integration.projector.process import started
from tests.integration.projector.quarantine_client import QuarantineClient
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.unit.read_models.builders import confirmed, created

_CLIENT, _CONSUMER = 3, 5


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    yield receiver
    receiver.close()


class Trace:
    """A trace that a message continues."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.id = uuid.uuid4().hex
        self.parent_id = uuid.uuid4().hex[:16]
        self.traceparent = f"00-{self.id}-{self.parent_id}-{'01' if sampled else '00'}"

    async def spans(self, otlp: OtlpReceiver, *names: str) -> dict[str, ReceivedSpan]:
        """The trace's spans by name, once these are there."""

        async def there() -> dict[str, ReceivedSpan]:
            received = otlp.trace(self.id)
            spans = {span.name: span for span in received}
            assert len(spans) == len(received), received
            assert set(names) <= set(spans), list(spans)
            return spans

        return await eventually(there, what="the trace")


def _publish_created(write_side: WriteSide, order_id: str, customer_id: str, trace: Trace) -> None:
    recorded = write_side.record(created(order_id=order_id, customer_id=customer_id))
    write_side.publish(*recorded, traceparent=trace.traceparent)


async def test_every_order_of_a_batch_has_the_whole_way_in_its_own_trace(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, otlp: OtlpReceiver, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    orders = {str(uuid.uuid4()): Trace() for _ in range(3)}
    unsampled = Trace(sampled=False)
    for order_id, trace in orders.items():
        _publish_created(write_side, order_id, customer_id, trace)
    _publish_created(write_side, str(uuid.uuid4()), customer_id, unsampled)
    topic, bulk = write_side.topics["order"], f"bulk {read_side.index}"
    async with started(settings, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, OTEL_BSP_SCHEDULE_DELAY="100"):
        await read_side.caught_up()
        for order_id, trace in orders.items():
            spans = await trace.spans(otlp, f"process {topic}", "project orders", "enrich", bulk)
            process, project = spans[f"process {topic}"], spans["project orders"]
            assert (process.parent_id, process.span.kind) == (trace.parent_id, _CONSUMER)
            assert process.attributes == {
                "messaging.system": "kafka",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": process.attributes["messaging.destination.partition.id"],
                "messaging.kafka.offset": process.attributes["messaging.kafka.offset"],
                "messaging.consumer.group.name": f"{settings['kafka_topic_prefix']}.projector.orders.1",
                "orderflow.projection.name": "orders",
                "orderflow.event.type": "orderflow.orders.v1.OrderCreated",
                "orderflow.order.id": order_id,
            }
            assert project.parent_id == process.span_id
            assert spans["enrich"].parent_id == project.span_id
            assert (spans[bulk].parent_id, spans[bulk].span.kind) == (project.span_id, _CLIENT)
            assert spans[bulk].attributes["db.system.name"] == "elasticsearch"
            assert spans[bulk].attributes["db.collection.name"] == read_side.index
            assert spans[bulk].attributes["db.operation.name"] == "bulk"
    assert otlp.trace(unsampled.id) == []


async def test_a_customers_change_has_the_rewriting_of_their_orders_in_its_trace(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    otlp: OtlpReceiver,
    order_id: str,
    customer_id: str,
) -> None:
    trace = Trace()
    write_side.publish(*write_side.record(created(order_id=order_id, customer_id=customer_id)))
    async with started(settings, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, OTEL_BSP_SCHEDULE_DELAY="100"):
        await read_side.has(order_id, version=1)
        await read_side.caught_up()
        write_side.publish(write_side.record_customer(customer_id, "Zoë"), traceparent=trace.traceparent)
        topic = write_side.topics["customer"]
        spans = await trace.spans(otlp, f"process {topic}", "project orders", "enrich", f"bulk {read_side.index}")
        assert spans[f"process {topic}"].attributes["orderflow.customer.id"] == customer_id
        client = spans["/orderflow.customers.v1.CustomerService/BatchGetCustomers"]
        assert client.parent_id == spans["enrich"].span_id


@pytest.mark.usefixtures("read_side")
async def test_a_message_that_cannot_be_projected_shows_it_in_its_trace(
    settings: Settings, write_side: WriteSide, otlp: OtlpReceiver, order_id: str
) -> None:
    trace, topic = Trace(), write_side.topics["order"]
    write_side.publish_raw(topic, order_id, b"", [("traceparent", trace.traceparent.encode())])
    async with started(settings, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, OTEL_BSP_SCHEDULE_DELAY="100"):
        spans = await trace.spans(otlp, f"process {topic}")
        assert spans[f"process {topic}"].span.status.message == "Undecodable"


async def test_a_rebuild_is_one_span_and_a_kept_generation_none(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, otlp: OtlpReceiver, order_id: str
) -> None:
    for _ in range(50):
        write_side.publish(*write_side.record(created(order_id=str(uuid.uuid4()))))
    exported = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with (
        started(settings, **exported),
        grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel,
    ):
        await read_side.caught_up()
        before = {span.span_id for span in otlp.all()}
        assert (await OperatorCalls(channel).rebuild()).phase == DONE
        await asyncio.sleep(1.5)  # feeds look once a second which generation is live
        trace = Trace()
        _publish_created(write_side, order_id, str(uuid.uuid4()), trace)
        live = f"{read_side.alias}-000002"
        spans = await trace.spans(otlp, f"process {write_side.topics['order']}", f"bulk {live}")
        await read_side.has(order_id, version=1)
        assert f"bulk {read_side.index}" not in spans
    rebuilds = [span for span in otlp.all() if span.name == "rebuild"]
    assert [span.attributes["orderflow.projection.name"] for span in rebuilds] == ["orders"]
    assert [event.name for event in rebuilds[0].span.events] == [
        f"REBUILD_PHASE_{phase}" for phase in ("FILLING", "CATCHING_UP", "COMPARING", "SWITCHING")
    ]
    assert len(otlp.trace(rebuilds[0].span.trace_id.hex())) == 1
    later = [span.name for span in otlp.all() if span.span_id not in before]
    assert not [name for name in later if "EventLogService" in name]


@pytest.mark.usefixtures("read_side")
async def test_a_replay_is_in_the_operators_trace_and_linked_to_those_of_the_commands(
    *,
    settings: Settings,
    write_side: WriteSide,
    read_side: ReadSide,
    quarantine: QuarantineClient,
    otlp: OtlpReceiver,
    order_id: str,
    customer_id: str,
) -> None:
    commands, operator = [Trace(), Trace()], Trace()
    recorded = write_side.record(
        created(order_id=order_id, customer_id=customer_id), traceparent=commands[0].traceparent
    )
    recorded += write_side.record(confirmed(order_id=order_id), traceparent=commands[1].traceparent)
    known, recorded[0].event_type = recorded[0].event_type, "orderflow.orders.v1.OrderTeleported"
    write_side.publish(*recorded)
    async with started(settings, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, OTEL_BSP_SCHEDULE_DELAY="100"):
        await quarantine.has(f"order/{order_id}")
        recorded[0].event_type = known
        assert await quarantine.replay(f"order/{order_id}", traceparent=operator.traceparent) is None
        await read_side.has(order_id, version=2)

        async def ended() -> list[ReceivedSpan] | None:
            spans = otlp.trace(operator.id)
            return spans if any(each.parent_id == operator.parent_id for each in spans) else None

        spans = await eventually(ended, what="the call's span")
    replay = next(each for each in spans if each.name == "replay order")
    assert {link.trace_id.hex() for link in replay.span.links} == {each.id for each in commands}
    assert {link.span_id.hex() for link in replay.span.links} == {each.parent_id for each in commands}
    assert f"bulk {read_side.index}" in {each.name for each in spans}
    assert all(otlp.trace(each.id) == [] for each in commands)
