"""ProjectionAdminService: how far the projection has come, its rebuilds and rollbacks, and what it cannot project."""

from collections.abc import AsyncIterator

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from orderflow.admin.v1 import projection_admin_service_pb2_grpc, quarantine_pb2, rebuild_pb2
from projector.progress import Progress
from projector.quarantine_admin import QuarantineAdmin
from projector.rebuild.rebuilds import Rebuilds
from service_kit.grpc_layers import Context


class ProjectionAdminServicer(projection_admin_service_pb2_grpc.ProjectionAdminServiceServicer):
    """Serves the operators."""

    def __init__(self, progress: Progress, rebuilds: Rebuilds, quarantine: QuarantineAdmin) -> None:
        self._progress = progress
        self._rebuilds = rebuilds
        self._quarantine = quarantine

    async def ListProjections(self, request: pb.ListProjectionsRequest, context: Context) -> pb.ListProjectionsResponse:
        """Lists the projections that this projector runs."""
        return pb.ListProjectionsResponse(projections=[await self._progress.status()])

    async def RebuildProjection(
        self, request: rebuild_pb2.RebuildProjectionRequest, context: Context
    ) -> rebuild_pb2.RebuildProjectionResponse:
        """Begins a rebuild."""
        rebuild = await self._rebuilds.start(request.name, ignore_differences=request.ignore_differences)
        return rebuild_pb2.RebuildProjectionResponse(rebuild=rebuild)

    async def GetRebuild(
        self, request: rebuild_pb2.GetRebuildRequest, context: Context
    ) -> rebuild_pb2.GetRebuildResponse:
        """Tells how far a rebuild is."""
        return rebuild_pb2.GetRebuildResponse(rebuild=await self._rebuilds.get(request.name, request.generation))

    async def RollbackProjection(
        self, request: rebuild_pb2.RollbackProjectionRequest, context: Context
    ) -> rebuild_pb2.RollbackProjectionResponse:
        """Returns to a kept generation."""
        live, replaced = await self._rebuilds.roll_back(request.name, request.generation)
        return rebuild_pb2.RollbackProjectionResponse(generation=live, replaced_generation=replaced)

    async def ListQuarantine(
        self, request: quarantine_pb2.ListQuarantineRequest, context: Context
    ) -> AsyncIterator[quarantine_pb2.ListQuarantineResponse]:
        """Lists what cannot be projected."""
        async for page in self._quarantine.pages(request.generation, request.states):
            yield quarantine_pb2.ListQuarantineResponse(entries=page)

    async def GetQuarantined(
        self, request: quarantine_pb2.GetQuarantinedRequest, context: Context
    ) -> quarantine_pb2.GetQuarantinedResponse:
        """Shows an entry with its message."""
        return await self._quarantine.get(request.generation, request.id)

    async def ReplayQuarantined(
        self, request: quarantine_pb2.ReplayQuarantinedRequest, context: Context
    ) -> quarantine_pb2.ReplayQuarantinedResponse:
        """Tries an entry again."""
        return quarantine_pb2.ReplayQuarantinedResponse(entry=await self._quarantine.replay(request.id))

    async def SkipQuarantined(
        self, request: quarantine_pb2.SkipQuarantinedRequest, context: Context
    ) -> quarantine_pb2.SkipQuarantinedResponse:
        """Has a version passed over."""
        entry = await self._quarantine.skip(request.id, request.version, request.actor, request.reason)
        return quarantine_pb2.SkipQuarantinedResponse(entry=entry)
