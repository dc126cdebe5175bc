"""RelayAdminService over gRPC: how far the relay is, read from the database, whoever runs it."""

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from psycopg.rows import DictRow, dict_row

from command_service.event_store.database import Database
from command_service.statements import statement
from command_service.timestamps import stamp
from orderflow.admin.v1 import relay_admin_service_pb2 as pb
from orderflow.admin.v1 import relay_admin_service_pb2_grpc as grpc_api
from service_kit.grpc_layers import Context


class RelayAdminServicer(grpc_api.RelayAdminServiceServicer):
    """Shows each shard's relay."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def GetRelayStatus(self, request: pb.GetRelayStatusRequest, context: Context) -> pb.GetRelayStatusResponse:
        """Each shard's leader, cursor and lag."""
        async with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(statement("relay", "status"))).fetchall()
        return pb.GetRelayStatusResponse(shards=[_shard(row) for row in rows])


def _shard(row: DictRow) -> pb.RelayShardStatus:
    same: dict[str, Any] = {
        name: row[name] for name in ("log_shard", "holder", "epoch", "cursor_position", "head_position", "lag_events")
    }
    lag = Duration()
    lag.FromTimedelta(timedelta(seconds=row["lag_seconds"]))
    heartbeat = row["heartbeat_at"]
    return pb.RelayShardStatus(**same, lag_duration=lag, heartbeat_time=heartbeat and stamp(heartbeat))
