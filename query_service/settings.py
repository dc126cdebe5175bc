"""What the query service can be told."""

from pydantic import Field, SecretStr

from service_kit.settings import ElasticsearchUrl, HostPort, RedisUrl, ServiceSettings


class QuerySettings(ServiceSettings):
    """Settings of the query service. A field's name in capitals is its environment variable."""

    grpc_listen_address: HostPort = Field(default="127.0.0.1:50052", description="Where this process serves gRPC.")
    read_es_url: ElasticsearchUrl = Field(description="Elasticsearch, which holds the read models; with its port.")
    redis_url: RedisUrl = Field(description="Redis, which caches views; may be away.")
    command_service_address: HostPort = Field(
        default="127.0.0.1:50051", description="The command service, for the event log."
    )
    token_signing_key: SecretStr = Field(
        min_length=16, description="Signs resume tokens; the same on all query servers. At least 16 characters."
    )
    read_index_prefix: str = Field(
        default="orderflow", pattern="^[a-z0-9][a-z0-9_-]*$", description="First part of the read models' index names."
    )
    consistency_wait_seconds: float = Field(
        default=5.0, ge=0, le=60, description="Longest wait for a wanted version or consistency token."
    )
    cache_ttl_seconds: float = Field(
        default=60.0, gt=0, le=86400, description="How long a view that a read put into Redis stays there."
    )
    cache_timeout_seconds: float = Field(
        default=0.15, gt=0, le=10, description="Longest time for one call to Redis; then it is read around."
    )
    read_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Longest time for one call to Elasticsearch."
    )
    index_gets_at_once: int = Field(
        default=10, ge=1, le=1000, description="Orders that are read by id from Elasticsearch at the same time."
    )
    waiting_index_gets: int = Field(
        default=1000,
        ge=1,
        description="Orders that wait to be read by id, beyond which calls are refused (OVERLOADED).",
    )
    page_size: int = Field(default=1000, ge=100, le=9999, description="Orders read from Elasticsearch in one call.")
    left_points_in_time: int = Field(
        default=1000,
        ge=0,
        description="Points in time left open in Elasticsearch, some minutes each, for lists that may be continued.",
    )
    watch_poll_seconds: float = Field(
        default=0.5, gt=0, le=60, description="Between two looks for changes while somebody watches."
    )
    watch_heartbeat_seconds: float = Field(
        default=15.0, gt=0, le=600, description="How long a watch is silent before it says that nothing changed."
    )
    watches_at_once: int = Field(
        default=2000, ge=1, description="Watches of one process, beyond which calls are refused (OVERLOADED)."
    )
    watch_kept_changes: int = Field(
        default=10_000,
        ge=1,
        description="Changes kept in memory for all watches, each counted once per KiB; "
        "who falls further behind reads the index itself.",
    )
    resume_token_seconds: int = Field(default=86400, ge=1, description="How long a resume token is valid.")
