"""Puts an auditor together."""

from functools import partial
from typing import Any

from projector.audit.auditor import Auditor, Tools
from projector.audit.repair import Repair
from projector.audit.sample import Sample
from projector.audit.sight import Looking, Sources, Stores
from projector.audit.verdicts import Judge
from projector.generations import Generation
from projector.neighbors import now_us
from projector.place import Place
from projector.refolding import Refolding


def auditor_of(place: Place[Any]) -> Auditor:
    """The auditor of a read model."""
    read_model, neighbors, generations = place.read_model, place.neighbors, place.generations
    settings, log = neighbors.settings, neighbors.log
    judge = Judge(read_model)

    def tools(generation: Generation) -> Tools:
        stores = Stores(neighbors.elasticsearch, generation, place.cache())
        refolding, quarantine = Refolding(read_model, neighbors.event_log), place.quarantine(generation)
        sources = Sources(refolding, neighbors.customers, neighbors.personal_data, quarantine)
        looking = Looking(read_model, stores, sources, judge)
        is_live = partial(generations.is_live, generation)
        repair = Repair(read_model, stores, looking, judge, is_live=is_live, now_us=now_us)
        return Tools(looking, repair)

    return Auditor(
        read_model,
        generations,
        place.groups,
        log,
        sample=Sample(read_model, log, neighbors.elasticsearch, size=settings.audit_sample_size),
        judge=judge,
        tools=tools,
        meter=neighbors.meter,
        interval_seconds=settings.audit_interval_seconds,
    )
