"""Puts the rebuilds of a projection together."""

from typing import Any

from projector.feeding import projecting
from projector.generations import Generation
from projector.neighbors import now_us
from projector.patience import Patience
from projector.place import Place
from projector.rebuild.comparison import Comparison
from projector.rebuild.fill import Fill
from projector.rebuild.lookups import Lookups
from projector.rebuild.progress import RebuildProgress
from projector.rebuild.rebuild import Rebuild, Tools
from projector.rebuild.rebuilds import Rebuilds
from projector.rebuild.switch import Switch


def rebuilds_of(place: Place[Any], patience: Patience) -> Rebuilds:
    """The rebuilds and rollbacks of a read model, none of which runs yet."""
    read_model, neighbors = place.read_model, place.neighbors
    generations, groups = place.generations, place.groups
    switch = Switch(generations, groups, patience)

    def fill(generation: Generation) -> Fill[Any]:
        parts = projecting(place, generation, patience)
        lookups = Lookups(read_model, neighbors.customers, neighbors.personal_data, patience)
        return Fill(
            read_model,
            neighbors.elasticsearch,
            generation,
            patience,
            completed=lookups.completed,
            quarantine=parts.quarantine,
            replays=parts.replays,
            window=neighbors.settings.cached_documents,
            now_us=now_us,
        )

    def comparison(generation: Generation, before_us: int) -> Comparison[Any]:
        return Comparison(
            read_model,
            neighbors.elasticsearch,
            generations,
            neighbors.event_log,
            patience,
            quarantine=place.quarantine(generation),
            before_us=before_us,
        )

    tools = Tools(
        generations,
        groups,
        neighbors.log,
        fill,
        comparison,
        place.quarantine,
        switch,
        patience,
        read_model.aggregate.type,
    )

    def make(generation: Generation, progress: RebuildProgress, ignore_differences: bool) -> Rebuild:  # noqa: FBT001
        return Rebuild(tools, generation, progress, ignore_differences=ignore_differences)

    return Rebuilds(read_model.name, generations, groups, switch, make, kept=neighbors.settings.kept_generations)
