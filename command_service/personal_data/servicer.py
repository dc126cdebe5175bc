"""PersonalDataService over gRPC: opens what events hold sealed, for services that show it."""

from collections.abc import Mapping
from uuid import UUID

from command_service.personal_data.keys import Destroyed, Key, Keys, opened
from command_service.personal_data.sealing import NotSealedSo
from orderflow.common.v1 import personal_data_pb2
from orderflow.customers.v1 import personal_data_service_pb2 as pb
from orderflow.customers.v1 import personal_data_service_pb2_grpc as grpc_api
from service_kit.grpc_layers import Context

_ERASED = pb.OpenedPersonalData(state=pb.PERSONAL_DATA_STATE_ERASED)
_UNREADABLE = pb.OpenedPersonalData(state=pb.PERSONAL_DATA_STATE_UNREADABLE)


class PersonalDataServicer(grpc_api.PersonalDataServiceServicer):
    """Opens, and hands out no key."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def OpenPersonalData(
        self, request: pb.OpenPersonalDataRequest, context: Context
    ) -> pb.OpenPersonalDataResponse:
        """Opens personal data."""
        keys = await self._keys.by_id([UUID(each.key_id) for each in request.items])
        return pb.OpenPersonalDataResponse(items=[_opened(each, keys) for each in request.items])


def _opened(item: personal_data_pb2.SealedPersonalData, keys: Mapping[UUID, Key | Destroyed]) -> pb.OpenedPersonalData:
    key = keys.get(UUID(item.key_id))
    if isinstance(key, Destroyed):
        return _ERASED
    try:
        data = opened(key, item.sealed, UUID(item.aggregate_id), item.event_type)
    except NotSealedSo:
        return _UNREADABLE
    return pb.OpenedPersonalData(state=pb.PERSONAL_DATA_STATE_OPENED, personal_data=data)
