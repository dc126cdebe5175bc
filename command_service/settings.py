"""The command server's settings."""

from pydantic import Field

from command_service.personal_data.settings import PersonalDataSettings
from service_kit.settings import HostPort, PostgresUrl, ServiceSettings


class CommandSettings(ServiceSettings, PersonalDataSettings):
    """What the command server can be told."""

    grpc_listen_address: HostPort = Field(default="127.0.0.1:50051", description="Where this process serves gRPC.")
    write_db_owner_url: PostgresUrl | None = Field(
        default=None, description="The same database as its owner; when set, the schema is migrated at start."
    )
    write_db_connections: int = Field(default=20, ge=2, le=1000, description="Most connections of a process.")
    cached_states: int = Field(
        default=10_000, ge=1, description="Aggregates of each kind whose states a process keeps at hand."
    )
    log_shards: int = Field(default=1, ge=1, le=1024, description="Shards of the log; fixed for the database's life.")
    max_waiting_commands: int = Field(
        default=2_000, ge=1, description="Commands that may wait for a shard of the log; more are refused at once."
    )
    request_id_days: int = Field(
        default=30, ge=1, le=36_500, description="Days for which a repeat of an accepted request gets its first answer."
    )
    personal_data_cached_keys: int = Field(
        default=10_000, ge=1, description="Keys of customers that a process keeps at hand."
    )
    personal_data_key_seconds: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="How long one is kept at hand: so much later each process knows of an erasure.",
    )
    estimated_delivery_days: float = Field(
        default=5.0, ge=0, le=365, description="Days from creation or confirmation to the estimated delivery."
    )
