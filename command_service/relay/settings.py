"""The relay's settings."""

from pydantic import Field

from service_kit.settings import KafkaBrokers, PostgresUrl, ProcessSettings


class RelaySettings(ProcessSettings):
    """What the relay can be told."""

    write_db_url: PostgresUrl = Field(description="PostgreSQL primary, as the services' login.")
    kafka_brokers: KafkaBrokers = Field(description="Kafka bootstrap servers, comma-separated HOST:PORT.")
    kafka_topic_prefix: str = Field(default="orderflow", description="First part of every topic's name.")
    kafka_topic_partitions: int = Field(
        default=12, ge=1, le=1000, description="Partitions of topics that the relay makes; fixed for a topic's life."
    )
    log_shards: int = Field(default=1, ge=1, le=1024, description="Shards of the log; fixed for the database's life.")
