"""What the projections of a process share: its settings, and the neighbors that it is connected to."""

import time
from dataclasses import dataclass

import grpc
from elasticsearch import AsyncElasticsearch
from opentelemetry.metrics import Meter
from redis.asyncio import Redis

from projector.customers import Customers
from projector.event_log import EventLog
from projector.personal_data import PersonalData
from projector.rebuild.log_reader import LogReader
from projector.settings import ProjectorSettings


@dataclass(frozen=True, slots=True)
class Neighbors:
    """All of it.

    Args:
        commands: the channel to the command service.
    """

    settings: ProjectorSettings
    elasticsearch: AsyncElasticsearch
    redis: "Redis"
    commands: grpc.aio.Channel
    customers: Customers
    personal_data: PersonalData
    event_log: EventLog
    log: LogReader
    meter: Meter


def now_us() -> int:
    """The time in microseconds since 1970."""
    return time.time_ns() // 1000
