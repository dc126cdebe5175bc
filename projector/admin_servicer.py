"""ProjectionAdminService: how far the projection has come."""

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from orderflow.admin.v1 import projection_admin_service_pb2_grpc
from projector.progress import Progress
from service_kit.grpc_layers import Context


class ProjectionAdminServicer(projection_admin_service_pb2_grpc.ProjectionAdminServiceServicer):
    """Serves the operators' questions."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def ListProjections(self, request: pb.ListProjectionsRequest, context: Context) -> pb.ListProjectionsResponse:
        """Lists the projections that this projector runs."""
        return pb.ListProjectionsResponse(projections=[await self._progress.status()])
