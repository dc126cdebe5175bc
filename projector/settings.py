"""What the projector can be told."""

from typing import Annotated

from pydantic import AfterValidator, Field

from read_models.catalog import READ_MODELS
from service_kit.settings import ElasticsearchUrl, HostPort, KafkaBrokers, RedisUrl, ServiceSettings

_NAMES = [each.name for each in READ_MODELS]


def _projections(value: str) -> str:
    if not set(value.split(",")) <= set(_NAMES):
        raise ValueError(f"must be some of {','.join(_NAMES)}")
    return value


class ProjectorSettings(ServiceSettings):
    """Settings of the projector. A field's name in capitals is its environment variable."""

    grpc_listen_address: HostPort = Field(default="127.0.0.1:50053", description="Where this process serves gRPC.")
    kafka_brokers: KafkaBrokers = Field(description="Kafka bootstrap servers, comma-separated HOST:PORT.")
    read_es_url: ElasticsearchUrl = Field(description="Elasticsearch, which holds the read models; with its port.")
    redis_url: RedisUrl = Field(description="Redis, which caches views; may be away.")
    command_service_address: HostPort = Field(
        default="127.0.0.1:50051", description="The command service, for customers and the event log."
    )
    kafka_topic_prefix: str = Field(
        default="orderflow", pattern="^[A-Za-z0-9._-]+$", description="First part of the topics' names."
    )
    read_index_prefix: str = Field(
        default="orderflow", pattern="^[a-z0-9][a-z0-9_-]*$", description="First part of the read models' index names."
    )
    projections: Annotated[str, AfterValidator(_projections)] = Field(
        default=",".join(_NAMES), description="The projections that this process runs, comma-separated."
    )
    batch_size: int = Field(default=1000, ge=1, le=10000, description="Most events projected at once.")
    cached_documents: int = Field(
        default=20000, ge=1, description="Documents kept in memory so that they need not be read again."
    )
    cache_ttl_seconds: float = Field(
        default=60.0, gt=0, le=86400, description="How long a view stays in Redis after it was written."
    )
    cache_timeout_seconds: float = Field(
        default=0.5, gt=0, le=10, description="Longest time for one call to Redis; then the projection goes on."
    )
    write_timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="Longest time for one call to Elasticsearch."
    )
    customer_timeout_seconds: float = Field(
        default=2.0, gt=0, le=60, description="Longest time for one look-up of customers."
    )
    customer_pause_seconds: float = Field(
        default=2.0, gt=0, le=600, description="After three failed look-ups of customers, the time between tries."
    )
    cached_customers: int = Field(
        default=10000, ge=1, description="Customers kept in memory so that new documents need not wait for a look-up."
    )
    backfill_seconds: float = Field(
        default=30.0,
        gt=0,
        le=86400,
        description="Time between looks for pending documents that another process has left.",
    )
    event_log_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Longest time for reading an aggregate's missing events."
    )
    kept_generations: int = Field(
        default=1, ge=0, le=10, description="Earlier generations of an index kept up to date for a rollback."
    )
    rebuild_lease_seconds: float = Field(
        default=15.0, ge=2, le=600, description="A rebuild that is silent for so long is given up."
    )
    audit_interval_seconds: float = Field(
        default=30.0, ge=0, le=86400, description="Pause between two audits of a projection's samples; 0: no audits."
    )
    audit_sample_size: int = Field(default=50, ge=2, le=10000, description="Aggregates that an audit looks at.")
    probe_interval_seconds: float = Field(
        default=10.0, ge=0, le=86400, description="Pause between two measurements of commit to searchable; 0: none."
    )
