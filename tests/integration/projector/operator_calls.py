"""What an operator asks of a projector."""

from collections.abc import Sequence
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from orderflow.admin.v1 import projection_admin_service_pb2_grpc, rebuild_pb2
from tests.support.eventually import eventually

LIVE = rebuild_pb2.GENERATION_STATE_LIVE
KEPT = rebuild_pb2.GENERATION_STATE_KEPT
BUILDING = rebuild_pb2.GENERATION_STATE_BUILDING
DONE = rebuild_pb2.REBUILD_PHASE_DONE
FAILED = rebuild_pb2.REBUILD_PHASE_FAILED


class OperatorCalls:
    """Asks a projector over gRPC about one of its projections."""

    def __init__(self, channel: grpc.aio.Channel, name: str = "orders") -> None:
        self._name = name
        self._admin = projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(channel)

    async def projection(self) -> pb.ProjectionStatus:
        """It, among all."""
        request = pb.ListProjectionsRequest()
        listed = (await self._admin.ListProjections(request, wait_for_ready=True)).projections
        (projection,) = (each for each in listed if each.name == self._name)
        return projection

    async def states(self) -> dict[int, "rebuild_pb2.GenerationState.ValueType"]:
        """Each generation's state."""
        return {each.generation: each.state for each in (await self.projection()).generations}

    async def has_states(self, **states: "rebuild_pb2.GenerationState.ValueType") -> None:
        """Returns when these are all generations, each named `g` and its number."""
        wanted = {int(name.removeprefix("g")): state for name, state in states.items()}

        async def so() -> bool:
            try:
                assert await self.states() == wanted
            except grpc.aio.AioRpcError as error:
                raise AssertionError from error
            return True

        await eventually(so, what=f"the generations {wanted}")

    async def start_rebuild(self, *, ignore_differences: bool = False) -> rebuild_pb2.Rebuild:
        """The rebuild as it begins."""
        request = rebuild_pb2.RebuildProjectionRequest(name=self._name, ignore_differences=ignore_differences)
        return (await self._admin.RebuildProjection(request, wait_for_ready=True)).rebuild

    async def get(self, generation: int = 0) -> rebuild_pb2.Rebuild:
        """How far a rebuild is."""
        request = rebuild_pb2.GetRebuildRequest(name=self._name, generation=generation)
        return (await self._admin.GetRebuild(request, wait_for_ready=True)).rebuild

    async def ended(self, generation: int) -> rebuild_pb2.Rebuild:
        """A rebuild once it is done or has failed."""

        async def over() -> rebuild_pb2.Rebuild | None:
            rebuild = await self.get(generation)
            return rebuild if rebuild.phase in (DONE, FAILED) else None

        return await eventually(over, what="the end of the rebuild")

    async def rebuild(self, *, ignore_differences: bool = False) -> rebuild_pb2.Rebuild:
        """A whole rebuild."""
        return await self.ended((await self.start_rebuild(ignore_differences=ignore_differences)).generation)

    async def roll_back(self, generation: int = 0) -> Sequence[int]:
        """The numbers of the generation that is live now, and of the one it replaces."""
        request = rebuild_pb2.RollbackProjectionRequest(name=self._name, generation=generation)
        response = await self._admin.RollbackProjection(request, wait_for_ready=True)
        return response.generation, response.replaced_generation


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The contract's reason in a refusal."""
    status = rpc_status.from_call(cast("Any", error))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason
