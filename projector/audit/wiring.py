"""Puts the auditor together."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import grpc
from elasticsearch import AsyncElasticsearch
from opentelemetry import metrics
from redis.asyncio import Redis

from projector.audit.auditor import Auditor, Tools
from projector.audit.repair import Repair
from projector.audit.sample import Sample
from projector.audit.sight import Looking, Sources, Stores
from projector.audit.verdicts import Judge
from projector.customers import Customers
from projector.event_log import EventLog
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.quarantine import Quarantine
from projector.rebuild.log_reader import LogReader
from projector.settings import ProjectorSettings
from read_models.read_model import ORDERS
from service_kit.view_cache import ViewCache


def auditor_of(
    settings: ProjectorSettings,
    *,
    elasticsearch: AsyncElasticsearch,
    redis: "Redis",
    commands: grpc.aio.Channel,
    customers: Customers,
    generations: Generations,
    groups: Groups,
    log: LogReader,
    quarantine: Callable[[Generation], Quarantine],
    now_us: Callable[[], int],
) -> Auditor:
    """The auditor of the orders."""
    judge = Judge(ORDERS)
    cache = ViewCache(redis, prefix="order:read:", time_to_live=timedelta(seconds=settings.cache_ttl_seconds))
    event_log = EventLog(commands, timeout_seconds=settings.event_log_timeout_seconds)

    def tools(generation: Generation) -> Tools:
        stores = Stores(elasticsearch, generation, cache)
        looking = Looking(stores, Sources(event_log, customers, quarantine(generation)), judge)
        is_live = partial(generations.is_live, generation)
        repair = Repair(ORDERS, stores, looking, judge, is_live=is_live, now_us=now_us)
        return Tools(looking, repair)

    return Auditor(
        ORDERS,
        generations,
        groups,
        log,
        sample=Sample(log, elasticsearch, size=settings.audit_sample_size),
        judge=judge,
        tools=tools,
        meter=metrics.get_meter("projector"),
        interval_seconds=settings.audit_interval_seconds,
    )
