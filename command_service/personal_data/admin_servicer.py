"""PersonalDataAdminService over gRPC: whether personal data is gone from the command side."""

from uuid import UUID

from command_service.personal_data.erasure_check import ErasureCheck
from orderflow.admin.v1 import erasure_pb2 as pb
from orderflow.admin.v1 import personal_data_admin_service_pb2_grpc as grpc_api
from service_kit.grpc_layers import Context


class PersonalDataAdminServicer(grpc_api.PersonalDataAdminServiceServicer):
    """Looks, and changes nothing."""

    def __init__(self, check: ErasureCheck) -> None:
        self._check = check

    async def CheckLogErasure(self, request: pb.CheckLogErasureRequest, context: Context) -> pb.CheckLogErasureResponse:
        """What the event store and the keys hold of a customer."""
        return pb.CheckLogErasureResponse(findings=await self._check.of(UUID(request.customer_id)))
