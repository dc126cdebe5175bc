"""ProjectionAdminService: how far the projection has come, its rebuilds and rollbacks, and what it cannot project."""

from collections.abc import AsyncIterator

from orderflow.admin.v1 import erasure_pb2, projection_admin_service_pb2_grpc, quarantine_pb2, rebuild_pb2
from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from projector.erasure_check import ReadModelErasureCheck
from projector.projections import Projections
from service_kit.grpc_layers import Context


class ProjectionAdminServicer(projection_admin_service_pb2_grpc.ProjectionAdminServiceServicer):
    """Serves the operators."""

    def __init__(self, projections: Projections, erasure_check: ReadModelErasureCheck) -> None:
        self._projections = projections
        self._erasure_check = erasure_check

    async def ListProjections(self, request: pb.ListProjectionsRequest, context: Context) -> pb.ListProjectionsResponse:
        """Lists the projections that this projector runs."""
        return pb.ListProjectionsResponse(projections=await self._projections.statuses())

    async def RebuildProjection(
        self, request: rebuild_pb2.RebuildProjectionRequest, context: Context
    ) -> rebuild_pb2.RebuildProjectionResponse:
        """Begins a rebuild."""
        rebuilds = self._projections.rebuilds(request.name)
        rebuild = await rebuilds.start(ignore_differences=request.ignore_differences)
        return rebuild_pb2.RebuildProjectionResponse(rebuild=rebuild)

    async def GetRebuild(
        self, request: rebuild_pb2.GetRebuildRequest, context: Context
    ) -> rebuild_pb2.GetRebuildResponse:
        """Tells how far a rebuild is."""
        rebuild = await self._projections.rebuilds(request.name).get(request.generation)
        return rebuild_pb2.GetRebuildResponse(rebuild=rebuild)

    async def RollbackProjection(
        self, request: rebuild_pb2.RollbackProjectionRequest, context: Context
    ) -> rebuild_pb2.RollbackProjectionResponse:
        """Returns to a kept generation."""
        live, replaced = await self._projections.rebuilds(request.name).roll_back(request.generation)
        return rebuild_pb2.RollbackProjectionResponse(generation=live, replaced_generation=replaced)

    async def ListQuarantine(
        self, request: quarantine_pb2.ListQuarantineRequest, context: Context
    ) -> AsyncIterator[quarantine_pb2.ListQuarantineResponse]:
        """Lists what cannot be projected."""
        async for page in self._projections.quarantines.pages(request.projection, request.generation, request.states):
            yield quarantine_pb2.ListQuarantineResponse(entries=page)

    async def GetQuarantined(
        self, request: quarantine_pb2.GetQuarantinedRequest, context: Context
    ) -> quarantine_pb2.GetQuarantinedResponse:
        """Shows an entry with its message."""
        return await self._projections.quarantines.get(request.projection, request.generation, request.id)

    async def ReplayQuarantined(
        self, request: quarantine_pb2.ReplayQuarantinedRequest, context: Context
    ) -> quarantine_pb2.ReplayQuarantinedResponse:
        """Tries an entry again."""
        entry = await self._projections.quarantines.replay(request.projection, request.id)
        return quarantine_pb2.ReplayQuarantinedResponse(entry=entry)

    async def SkipQuarantined(
        self, request: quarantine_pb2.SkipQuarantinedRequest, context: Context
    ) -> quarantine_pb2.SkipQuarantinedResponse:
        """Has a version passed over."""
        entry = await self._projections.quarantines.skip(
            request.projection, request.id, request.version, request.actor, request.reason
        )
        return quarantine_pb2.SkipQuarantinedResponse(entry=entry)

    async def CheckReadModelErasure(
        self, request: erasure_pb2.CheckReadModelErasureRequest, context: Context
    ) -> erasure_pb2.CheckReadModelErasureResponse:
        """What the read models hold of a customer."""
        findings = await self._erasure_check.of(request.customer_id.lower())
        return erasure_pb2.CheckReadModelErasureResponse(findings=findings)
