"""ProjectionAdminService: how far the projection has come, its rebuilds and rollbacks."""

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from orderflow.admin.v1 import projection_admin_service_pb2_grpc, rebuild_pb2
from projector.progress import Progress
from projector.rebuild.rebuilds import Rebuilds
from service_kit.grpc_layers import Context


class ProjectionAdminServicer(projection_admin_service_pb2_grpc.ProjectionAdminServiceServicer):
    """Serves the operators' questions."""

    def __init__(self, progress: Progress, rebuilds: Rebuilds) -> None:
        self._progress = progress
        self._rebuilds = rebuilds

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
