"""The quarantine as operators see it: over gRPC."""

from typing import Any, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from orderflow.admin.v1 import projection_admin_service_pb2_grpc
from orderflow.admin.v1 import quarantine_pb2 as pb
from tests.support.eventually import eventually

QUARANTINED = pb.QUARANTINE_STATE_QUARANTINED
SKIPPED = pb.QUARANTINE_STATE_SKIPPED


class QuarantineClient:
    """Asks a projector.

    Args:
        projection: empty for all.
    """

    def __init__(self, channel: grpc.aio.Channel, projection: str = "") -> None:
        self._projection = projection
        self._admin = projection_admin_service_pb2_grpc.ProjectionAdminServiceStub(channel)

    async def entries(self, *states: "pb.QuarantineState.ValueType") -> list[pb.QuarantineEntry]:
        """All entries in these states."""
        request = pb.ListQuarantineRequest(states=states, projection=self._projection)
        chunks = self._admin.ListQuarantine(request, wait_for_ready=True)
        return [entry async for chunk in chunks for entry in chunk.entries]

    async def is_there(self) -> None:
        """Returns when the quarantine can be read."""

        async def readable() -> bool:
            try:
                return await self.entries() == []
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return False

        await eventually(readable, what="the quarantine")

    async def has(self, id_: str, *, version: int | None = None) -> pb.QuarantineEntry:
        """An entry, once there is one that is quarantined."""

        async def there() -> pb.QuarantineEntry | None:
            try:
                found = [entry for entry in await self.entries(QUARANTINED) if entry.id == id_]
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return None
            return next((entry for entry in found if version in (None, entry.version)), None)

        return await eventually(there, what=f"{id_} in the quarantine")

    async def get(self, id_: str, *, generation: int = 0) -> pb.GetQuarantinedResponse:
        """An entry with its message."""
        request = pb.GetQuarantinedRequest(id=id_, generation=generation, projection=self._projection)
        return await self._admin.GetQuarantined(request, wait_for_ready=True)

    async def replay(self, id_: str, *, traceparent: str = "") -> pb.QuarantineEntry | None:
        """What is left of an entry after a replay."""
        metadata = [("traceparent", traceparent)] if traceparent else []
        request = pb.ReplayQuarantinedRequest(id=id_, projection=self._projection)
        response = await self._admin.ReplayQuarantined(request, wait_for_ready=True, metadata=metadata)
        return response.entry if response.HasField("entry") else None

    async def skip(self, id_: str, version: int, *, actor: str = "Ada", reason: str = "a test") -> pb.QuarantineEntry:
        """An entry after one of its versions was passed over."""
        request = pb.SkipQuarantinedRequest(
            id=id_, version=version, actor=actor, reason=reason, projection=self._projection
        )
        return (await self._admin.SkipQuarantined(request, wait_for_ready=True)).entry


def refusal_of(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """The code, reason and metadata of a refusal."""
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(cast("Any", error)).details[0].Unpack(info)
    return error.code(), info.reason, dict(info.metadata)
