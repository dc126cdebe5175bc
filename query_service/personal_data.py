"""What events hold sealed of persons, opened by the command service for those who ask what was."""

import grpc

from orderflow.common.v1 import personal_data_pb2
from orderflow.customers.v1 import personal_data_service_pb2, personal_data_service_pb2_grpc
from query_service.deadline import Deadline
from query_service.errors import EventLogUnavailable
from query_service.event_log import AWAY

_LONGEST_SECONDS = 10.0


class PersonalData:
    """Opens personal data of single orders."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: personal_data_service_pb2_grpc.PersonalDataServiceAsyncStub = (
            personal_data_service_pb2_grpc.PersonalDataServiceStub(channel)
        )

    async def open(self, sealed: personal_data_pb2.SealedPersonalData, deadline: Deadline) -> bytes:
        """What was sealed; nothing where that is gone for ever, as of who was erased.

        Raises:
            EventLogUnavailable: the command service is away or too slow.
        """
        request = personal_data_service_pb2.OpenPersonalDataRequest(items=[sealed])
        try:
            response = await self._stub.OpenPersonalData(request, timeout=deadline.within(_LONGEST_SECONDS))
        except grpc.aio.AioRpcError as error:
            if error.code() in AWAY:
                raise EventLogUnavailable(f"personal data cannot be opened ({error.code().name})") from error
            raise
        return response.items[0].personal_data
