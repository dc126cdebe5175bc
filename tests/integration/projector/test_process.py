"""The projector as a process: its start, its health, what it tells operators, and several of it at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from orderflow.admin.v1 import projection_admin_service_pb2_grpc, rebuild_pb2
from projector.generations import Generations
from read_models.orders import ORDERS
from tests.integration.projector.conftest import Logs, Settings, free_address, running
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.support.eventually import eventually
from tests.unit.read_models.builders import confirmed, created

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Operator:
    """Asks a projector over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._admin = projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(channel)
        self._health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    async def health(self) -> int:
        """SERVING or NOT_SERVING."""
        return int((await self._health(health_pb2.HealthCheckRequest(), wait_for_ready=True)).status)

    async def is_told(self, status: int) -> None:
        """Returns when the health is so."""

        async def so() -> bool:
            return await self.health() == status

        await eventually(so, what=health_pb2.HealthCheckResponse.ServingStatus.Name(status))

    async def projection(self) -> pb.ProjectionStatus:
        """The only one."""
        (projection,) = (
            await self._admin.ListProjections(pb.ListProjectionsRequest(), wait_for_ready=True)
        ).projections
        return projection


@pytest.fixture
async def operator(settings: Settings) -> AsyncIterator[Operator]:
    async with grpc.aio.insecure_channel(settings["grpc_listen_address"]) as channel:
        yield Operator(channel)


async def test_operators_see_how_far_the_projection_is(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, operator: Operator, customer_id: str
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(5)]
    async with running(settings):
        write_side.publish(*write_side.record(*(created(order_id=each, customer_id=customer_id) for each in ids)))
        await read_side.caught_up()
        await read_side.elasticsearch.indices.refresh(index=read_side.index)
        none = duration_pb2.Duration()
        status = await operator.projection()
        assert status.HasField("heartbeat_time")
        status.ClearField("heartbeat_time")
        assert status == pb.ProjectionStatus(
            name="orders",
            index=read_side.index,
            generation=1,
            document_count=5,
            lag_duration=none,
            generations=[
                rebuild_pb2.Generation(
                    generation=1,
                    index=read_side.index,
                    state=rebuild_pb2.GENERATION_STATE_LIVE,
                    document_count=5,
                    lag_duration=none,
                    mapping_current=True,
                )
            ],
            unindexed_positions=0,
        )
        await read_side.block_writes(blocked=True)
        write_side.publish(*write_side.record(*(created(order_id=str(uuid.uuid4())) for _ in range(3))))
        await asyncio.sleep(0.3)
        behind = await operator.projection()
        assert (behind.document_count, behind.lag_events) == (5, 3)
        assert 0.3 <= behind.lag_duration.ToTimedelta().total_seconds() < 30
        await read_side.block_writes(blocked=False)


async def test_a_projector_is_healthy_while_it_reaches_elasticsearch_and_kafka(
    settings: Settings, read_side: ReadSide, operator: Operator
) -> None:
    async with running(settings):
        await operator.is_told(_SERVING)
        assert await read_side.elasticsearch.indices.exists(index=read_side.index)


@pytest.mark.usefixtures("read_side")
@pytest.mark.parametrize("away", ["kafka_brokers", "read_es_url"])
async def test_a_projector_says_so_while_it_does_not_reach_them(
    settings: Settings, operator: Operator, logs: Logs, away: str
) -> None:
    settings[away] = ("http://" if away == "read_es_url" else "") + free_address()
    async with running(settings):
        await logs.has("dependencies away")
        assert await operator.health() == _NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await operator.projection()
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert _reason(refusal.value) == "READ_MODEL_UNAVAILABLE"


async def test_several_that_start_at_once_share_one_index_and_the_work(
    settings: Settings, write_side: WriteSide, read_side: ReadSide, customer_id: str
) -> None:
    write_side.record_customer(customer_id, "Zoë")
    ids = [str(uuid.uuid4()) for _ in range(60)]
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(running({**settings, "grpc_listen_address": free_address()}))
        async with running({**settings, "grpc_listen_address": free_address()}):
            for each in ids[:40]:
                write_side.publish(*write_side.record(created(order_id=each, customer_id=customer_id)))
            await read_side.has(ids[0], version=1)
        for each in ids[40:]:
            write_side.publish(*write_side.record(created(order_id=each, customer_id=customer_id)))
        write_side.publish(*write_side.record(*(confirmed(order_id=each) for each in ids)))
        for each in ids:
            await read_side.has(each, version=2, customer_version=1)
        await read_side.caught_up()


async def test_an_index_that_many_create_at_once_is_created_once(read_side: ReadSide) -> None:
    many = [Generations(read_side.elasticsearch, ORDERS, read_side.prefix) for _ in range(8)]
    await asyncio.gather(*(each.create_first() for each in many))
    opened = await asyncio.gather(*(each.live() for each in many))
    assert {(each.index, each.number) for each in opened} == {(read_side.index, 1)}
    assert len({each.writers for each in opened}) == 1


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(cast("Any", error))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason
