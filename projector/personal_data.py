"""Personal data that events hold sealed, opened by the command service, which has the keys."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import structlog

from orderflow.common.v1 import personal_data_pb2
from orderflow.customers.v1 import personal_data_service_pb2 as pb
from orderflow.customers.v1 import personal_data_service_pb2_grpc
from projector.circuit_breaker import CircuitBreaker
from projector.errors import CustomersAway
from read_models.read_model import AnyView, ReadModel

_MOST_ITEMS = 400  # of a call, as the contract says
_FAILURES = 3
_log = structlog.get_logger("projector")


class PersonalData:
    """Opens personal data, much at once.

    Args:
        channel: to the command service.
        timeout_seconds: of a call, its retries included.
        pause_seconds: between calls, once three in a row have failed.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float, pause_seconds: float) -> None:
        self._service = personal_data_service_pb2_grpc.PersonalDataServiceStub(channel)
        self._timeout_seconds = timeout_seconds
        self._breaker = CircuitBreaker(
            "PersonalDataService", CustomersAway, failures=_FAILURES, pause_seconds=pause_seconds
        )

    async def opened(self, read_model: ReadModel[AnyView], views: Mapping[Any, AnyView]) -> Mapping[Any, AnyView]:
        """The views with what is sealed of them; of customers who were erased without.

        A view of which nothing is sealed is the given one.

        Raises:
            CustomersAway: the command service does not answer, or is not asked.
        """
        sealed = {id_: each for id_, view in views.items() if (each := read_model.sealed(view)) is not None}
        if not sealed:
            return views
        data = await self._open(list(sealed.values()))
        return {**views, **{id_: read_model.opened(views[id_], each) for id_, each in zip(sealed, data, strict=True)}}

    async def _open(self, sealed: Sequence[personal_data_pb2.SealedPersonalData]) -> Sequence[bytes | None]:
        """What each of them says; None where nobody can read it any more."""
        data: list[bytes | None] = []
        for start in range(0, len(sealed), _MOST_ITEMS):
            some = sealed[start : start + _MOST_ITEMS]
            with self._breaker.call():
                data.extend(map(_data, some, await self._ask(some)))
        return data

    async def _ask(self, sealed: Sequence[personal_data_pb2.SealedPersonalData]) -> Sequence[pb.OpenedPersonalData]:
        request = pb.OpenPersonalDataRequest(items=sealed)
        try:
            response = await self._service.OpenPersonalData(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise CustomersAway(f"PersonalDataService answers {error.code().name}") from error
        return response.items


def _data(asked: personal_data_pb2.SealedPersonalData, item: pb.OpenedPersonalData) -> bytes | None:
    if item.state == pb.PERSONAL_DATA_STATE_UNREADABLE:
        _log.error("personal data cannot be opened", aggregate_id=asked.aggregate_id, event_type=asked.event_type)
    return item.personal_data if item.state == pb.PERSONAL_DATA_STATE_OPENED else None
