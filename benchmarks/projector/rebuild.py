"""A rebuild from the log against raw streaming bulk of the documents that come of it."""

import asyncio
import time

import grpc

from benchmarks.database import BenchDatabase
from benchmarks.figures import Figure, interleaved
from benchmarks.projector import raw_bulk
from benchmarks.projector.history import history
from benchmarks.projector.projector import projector
from orderflow.admin.v1 import (
    projection_admin_service_pb2_grpc,
    rebuild_pb2,
)
from read_models.orders import ORDERS
from tests.support.eventually import eventually

_ORDERS = 60_000


async def rebuild_of_orders(bench: BenchDatabase) -> Figure:
    """From the operator's call to the moment when readers have moved; one event an order."""
    async with history(bench, _ORDERS, 1) as published, projector(published) as ours:
        documents = await asyncio.to_thread(published.documents)
        await ours.has_finished(published.messages)

        async def limit() -> float:
            return await asyncio.to_thread(raw_bulk.stream, documents, found_at_once=False)

        async with grpc.aio.insecure_channel(ours.address) as channel:
            service = projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(channel)

            async def rebuild() -> float:
                begin = time.perf_counter()
                await _rebuild(service)
                return len(documents) / (time.perf_counter() - begin)

            values, detail = await interleaved(rebuild, limit)
    return Figure("rebuild / raw streaming bulk of the same documents", values, 0.8, detail=detail)


async def _rebuild(service: "projection_admin_service_pb2_grpc.ProjectionAdminServiceAsyncStub") -> None:
    started = await service.RebuildProjection(rebuild_pb2.RebuildProjectionRequest(name=ORDERS.name))
    asked = rebuild_pb2.GetRebuildRequest(name=ORDERS.name, generation=started.rebuild.generation)

    async def done() -> bool:
        found = (await service.GetRebuild(asked)).rebuild
        if found.failure:
            raise RuntimeError(f"the rebuild failed: {found.failure}")
        return found.phase == rebuild_pb2.REBUILD_PHASE_DONE

    await eventually(done, within=600, what="the end of the rebuild")
