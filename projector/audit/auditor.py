"""The auditor: looks again and again whether a read model shows things as they are, and repairs what does not.

Nobody is accused of being late. What a store lacks counts once it should have it: all that was in the event log is
published, the generation's consumer group has finished everything that was in Kafka then, and some seconds have passed
in which Redis, had it been away, gets what it is owed. What is quarantined, waits for its customer, or changes with a
generation that stops being live meanwhile, is not judged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import structlog
from opentelemetry.metrics import Meter

from projector.audit.repair import Repair
from projector.audit.sample import Sample
from projector.audit.sight import Looking, Sight
from projector.audit.verdicts import Judge, Kind, Versions
from projector.generations import Generation, Generations
from projector.groups import Groups
from projector.onlookers import again_and_again
from projector.rebuild.log_reader import LogReader
from read_models.read_model import ReadModel

_LEAST_SECONDS = 3.0
_MOST_SECONDS = 60.0
_POLL_SECONDS = 0.5
_ROUNDS_WATCHED = 10
_log = structlog.get_logger("projector.audit")


class Store(Enum):
    """Where an aggregate is shown."""

    ELASTICSEARCH = "elasticsearch"
    REDIS = "redis"


class Outcome(Enum):
    """What became of an aggregate that was looked at."""

    AGREES = "agrees"
    DIVERGES = "diverges"
    UNSETTLED = "unsettled"
    """It may be only late: the projection had not caught up in time."""
    NOT_JUDGED = "not_judged"
    """It is quarantined, or cannot be folded."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """A store that does not show an aggregate as it is."""

    aggregate_id: str
    store: Store
    kind: Kind


@dataclass(frozen=True, slots=True)
class Tools:
    """What the auditor looks and repairs with, in one generation."""

    looking: Looking[Any]
    repair: Repair[Any]


class Auditor:
    """Audits the live generation.

    Args:
        interval_seconds: from the end of one audit to the beginning of the next.
        tools: of a generation.
        least_seconds: that a suspicion must last.
    """

    def __init__(
        self,
        read_model: ReadModel[Any],
        generations: Generations,
        groups: Groups,
        log: LogReader,
        *,
        sample: Sample,
        judge: Judge[Any],
        tools: Callable[[Generation], Tools],
        meter: Meter,
        interval_seconds: float,
        least_seconds: float = _LEAST_SECONDS,
    ) -> None:
        self._name = read_model.name
        self._generations = generations
        self._groups = groups
        self._log_reader = log
        self._sample = sample
        self._judge = judge
        self._tools = tools
        self._interval_seconds = interval_seconds
        self._least_seconds = least_seconds
        self._watched: dict[str, int] = {}
        self._audited = meter.create_counter(
            "orderflow.audit.aggregates", unit="{aggregate}", description="Aggregates that were audited, by outcome."
        )
        self._divergences = meter.create_counter(
            "orderflow.audit.divergences",
            unit="{divergence}",
            description="Aggregates that a store did not show as they are, by store and kind.",
        )
        self._repairs = meter.create_counter(
            "orderflow.audit.repairs", unit="{repair}", description="Repairs of divergences, by store and success."
        )

    async def run(self) -> None:
        """Audits again and again until it is cancelled."""
        await again_and_again(self.audit, "audit", pause_seconds=self._interval_seconds)

    async def audit(self) -> Sequence[Divergence]:
        """Looks at a sample once, and repairs; what diverged.

        Raises:
            Outage: a neighbor is away.
        """
        generation = await self._generations.live()
        if generation.mapping_hash != self._generations.mapping_hash:
            return []  # who writes it knows how its documents look
        tools = self._tools(generation)
        ids = {*await self._sample.take(generation), *self._watched}
        first = await tools.looking.at(ids)
        suspects = {id_: sight for id_, sight in first.items() if self._suspicions(id_, sight, generation)}
        if suspects and not await self._settled(generation):
            self._count(dict.fromkeys(suspects, Outcome.UNSETTLED) | self._calm(first, suspects))
            return []
        again = await tools.looking.at(suspects)
        found = [each for id_ in suspects for each in self._confirmed(id_, suspects[id_], again[id_], generation)]
        if found and not await self._generations.is_live(generation):
            return []
        guilty = dict.fromkeys({each.aggregate_id for each in found}, Outcome.DIVERGES)
        self._count(self._calm(first, ()) | guilty)
        self._watch({id_ for id_ in guilty if self._can_be_repaired(again[id_])})
        for each in found:
            await self._pursue(each, again[each.aggregate_id], tools.repair)
        return found

    def _suspicions(self, id_: str, sight: Sight[Any], generation: Generation) -> Mapping[Store, Kind]:
        """What would diverge if nothing were late."""
        if sight.truth is None:
            return {}
        return self._kinds(id_, sight, generation, sight.truth.versions, sight.stored.shown)

    def _confirmed(
        self, id_: str, first: Sight[Any], again: Sight[Any], generation: Generation
    ) -> Sequence[Divergence]:
        """What diverges, now that the stores must have what there was at the first look."""
        if first.truth is None or again.truth is None:
            return []
        before = self._suspicions(id_, first, generation)
        kinds = self._kinds(id_, again, generation, first.truth.versions, first.stored.shown)
        return [Divergence(id_, store, kind) for store, kind in kinds.items() if store in before]

    def _kinds(
        self, id_: str, sight: Sight[Any], generation: Generation, due: Versions, shown: Versions
    ) -> Mapping[Store, Kind]:
        """By store, where it diverges.

        Args:
            due: versions that the document must have.
            shown: versions of a document, which Redis must have unless the document says what is not so.
        """
        if sight.truth is None:
            return {}
        kinds: dict[Store, Kind] = {}
        document = self._judge.document(sight.stored.source, sight.truth, due)
        if document is not None:
            kinds[Store.ELASTICSEARCH] = document
        if sight.stored.entry is not None:
            cached_due = Versions(0, 0) if document in {Kind.AHEAD, Kind.CONTENT} else shown
            entry = self._judge.entry(id_, sight.stored.entry, sight.truth, cached_due, generation=generation.number)
            if entry is not None:
                kinds[Store.REDIS] = entry
        return kinds

    async def _settled(self, generation: Generation) -> bool:
        """Waits until the stores must have everything that is in the log now; False where that takes too long."""
        begin = time.monotonic()
        heads = await self._log_reader.heads()

        async def published() -> bool:
            done = (await self._log_reader.ends()).published
            return all(done.get(shard, 0) >= head for shard, head in heads.items())

        if not await _until(published, begin + _MOST_SECONDS):
            return False
        ends = await self._groups.ends()

        async def passed() -> bool:
            return await self._groups.has_passed(generation, ends)

        if not await _until(passed, begin + _MOST_SECONDS):
            return False
        await asyncio.sleep(max(0.0, begin + self._least_seconds - time.monotonic()))
        return True

    async def _pursue(self, divergence: Divergence, sight: Sight[Any], repair: Repair[Any]) -> None:
        """Tells of a divergence and repairs it."""
        store, kind, id_ = divergence.store, divergence.kind, divergence.aggregate_id
        attributes = {"orderflow.projection.name": self._name, "orderflow.store": store.value}
        self._divergences.add(1, {**attributes, "orderflow.divergence.kind": kind.value})
        _log.error(
            "read model diverges from the event log",
            projection=self._name,
            store=store.value,
            kind=kind.value,
            aggregate_id=id_,
            document_version=sight.stored.shown.own,
            cached_version=sight.stored.entry.version if sight.stored.entry else 0,
            log_version=sight.truth.versions.own if sight.truth else 0,
        )
        done = False
        try:
            done = await (repair.document if store is Store.ELASTICSEARCH else repair.entry)(id_)
        finally:
            self._repairs.add(1, {**attributes, "orderflow.repair.done": done})
            if not done:
                _log.error(
                    "divergence not repaired",
                    projection=self._name,
                    store=store.value,
                    kind=kind.value,
                    aggregate_id=id_,
                )

    def _watch(self, ids: Collection[str]) -> None:
        """Has aggregates looked at again in the next audits: a projector may still remember what was wrong."""
        self._watched = {id_: rounds - 1 for id_, rounds in self._watched.items() if rounds > 1}
        self._watched.update(dict.fromkeys(ids, _ROUNDS_WATCHED))

    def _can_be_repaired(self, sight: Sight[Any]) -> bool:
        """Whether there is anything to make it from."""
        return sight.truth is not None and sight.truth.versions.own > 0

    def _calm(self, sights: Mapping[str, Sight[Any]], suspects: Collection[str]) -> dict[str, Outcome]:
        """Outcomes of those that are under no suspicion."""
        return {
            id_: Outcome.AGREES if sight.truth is not None else Outcome.NOT_JUDGED
            for id_, sight in sights.items()
            if id_ not in suspects
        }

    def _count(self, outcomes: Mapping[str, Outcome]) -> None:
        for outcome in outcomes.values():
            attributes = {"orderflow.projection.name": self._name, "orderflow.audit.outcome": outcome.value}
            self._audited.add(1, attributes)


async def _until(condition: Callable[[], Awaitable[bool]], deadline: float) -> bool:
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
