"""The settings of the fulfillment process."""

from pydantic import Field

from service_kit.settings import HostPort, KafkaBrokers, PostgresUrl, ProcessSettings


class FulfillmentSettings(ProcessSettings):
    """What the fulfillment process can be told."""

    write_db_url: PostgresUrl = Field(description="PostgreSQL primary, as the services' login.")
    write_db_connections: int = Field(default=8, ge=2, le=1000, description="Most connections of a process.")
    cached_states: int = Field(
        default=1_000, ge=1, description="Aggregates of each kind whose states a process keeps at hand."
    )
    log_shards: int = Field(default=1, ge=1, le=1024, description="Shards of the log; fixed for the database's life.")
    kafka_brokers: KafkaBrokers = Field(description="Kafka bootstrap servers, comma-separated HOST:PORT.")
    kafka_topic_prefix: str = Field(
        default="orderflow", pattern="^[A-Za-z0-9._-]+$", description="First part of the topics' names."
    )
    command_service_address: HostPort = Field(
        default="127.0.0.1:50051",
        description="The command service, for customers, the event log, and what fulfillment commands.",
    )
    command_timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Longest time for one command of fulfillment; then it is given again."
    )
    payment_timeout_seconds: float = Field(
        default=3600.0, gt=0, le=31_536_000, description="How long fulfillment waits for an order to be paid."
    )
    fulfillments_at_once: int = Field(
        default=16, ge=1, le=1000, description="Orders that a fulfillment process works on at the same time."
    )
    fulfillment_lease_seconds: float = Field(
        default=15.0, gt=0, le=600, description="After so long another process takes over an order that one had taken."
    )
    fulfillment_look_again_seconds: float = Field(
        default=3600.0, gt=0, le=604_800, description="How often fulfillment looks at an order that waits, unasked."
    )
