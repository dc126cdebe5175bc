"""Handles messages: the order of things between Kafka, the projection and the quarantine.

What cannot be projected is quarantined before its message counts as finished. Later events of a quarantined aggregate
pass by. No process makes a wrong document of them, whatever it knows of the quarantine:

- An event is folded only onto the version just before it, and what is missing is read from the event log. So a
  process that does not know of an entry meets the same failure at the same version.
- A process that knows of one looks at it again before an event passes by. A replay marks the entry, and reads the
  event log once more after that. So an event either passes by before the mark, and is then in what the replay reads,
  or comes after the mark, and is projected.
- A version that kills the process is met by no process that gets its aggregate's partition, for that loads the
  quarantine first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from confluent_kafka import Message

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.aggregate_projection import AggregateProjection, AggregateProjections, Failures, Skips
from projector.batch import Batch, Deliveries
from projector.errors import Deadly, Undecodable
from projector.events import by_type, subject_of
from projector.folding import Failure
from projector.patience import Patience
from projector.quarantine import Entries, Quarantine, Record
from projector.quarantine_records import aggregate_record, entry_id, headers_of, key_of, message_record, skipped
from projector.replays import Replays
from projector.tracing import silent
from read_models.read_model import ReadModel


class BatchHandler:
    """Projects messages into a generation; it raises Outage when the process is to stop and they are not finished.

    Args:
        is_live: whether readers see the generation; the live one's spans show what happened, and others have none.
    """

    def __init__(
        self,
        read_model: ReadModel[Any],
        projections: AggregateProjections,
        quarantine: Quarantine,
        replays: Replays,
        patience: Patience,
        *,
        group: str,
        is_live: Callable[[], bool],
        now_us: Callable[[], int],
    ) -> None:
        self._name = read_model.name
        self._aggregates = by_type(read_model.aggregates)
        self._projections = projections
        self._quarantine = quarantine
        self._replays = replays
        self._patience = patience
        self._group = group
        self._is_live = is_live
        self._now_us = now_us

    async def assigned(self) -> None:
        """Loads the quarantine, and finishes replays that another process has left."""
        await self._patience.until_done(self._quarantine.load)
        with self._shown():
            for id_ in self._quarantine.in_state(pb.QUARANTINE_STATE_REPLAYING):
                await self._replays.finish(id_)

    async def handle(self, messages: Sequence[Message]) -> None:
        """Projects a batch, and quarantines what cannot be projected."""
        with (
            self._shown(),
            Batch(
                messages, self._aggregates, group=self._group, projection=self._name, time_us=self._now_us()
            ) as batch,
        ):
            for type_, projection in self._projections.items():
                deliveries = batch.deliveries[type_]
                batch.fail(deliveries, await self._failures(deliveries, projection))
            if batch.records:
                await self._quarantined(batch.records)

    async def condemn(self, message: Message) -> None:
        """Quarantines what a message is about, without reading its value."""
        cause = Deadly("the process died of it, when it was handled alone, too")
        try:
            subject = subject_of(key_of(message), headers_of(message), self._aggregates)
        except Undecodable:
            record = message_record(message, cause, time_us=self._now_us())
        else:
            failure = Failure(subject.version, cause)
            record = aggregate_record(
                subject.aggregate.type, subject.aggregate_id, failure, message, time_us=self._now_us()
            )
        await self._quarantined({record.entry.id: record})

    async def _quarantined(self, records: Mapping[str, Record]) -> None:
        """Quarantines; what an operator has passed over meanwhile, perhaps in another generation, is passed over."""
        for id_ in await self._patience.until_done(partial(self._quarantine.add, records)):
            await self._replays.replay(id_)

    def _shown(self) -> AbstractContextManager[None]:
        return nullcontext() if self._is_live() else silent()

    async def _failures(self, deliveries: Deliveries, projection: AggregateProjection) -> Failures:
        skips = await self._pass_by(deliveries)
        failures = await projection.project(deliveries.events, deliveries.spans, skips)
        if not failures:
            return failures
        found = await self._look(entry_id(deliveries.aggregate_type, id_) for id_ in failures)
        # Another process may have had the version skipped that fails here.
        news = {id_: each for id_, each in _skips(found.values()).items() if failures[id_].version in each}
        again = {id_: deliveries.events[id_] for id_ in news}
        left = {id_: failure for id_, failure in failures.items() if id_ not in again}
        return {**left, **await projection.project(again, deliveries.spans, news)}

    async def _pass_by(self, deliveries: Deliveries) -> Skips:
        """Leaves out quarantined aggregates; answers the versions of others that were skipped."""
        known = self._quarantine.known(entry_id(deliveries.aggregate_type, id_) for id_ in deliveries.events)
        entries = await self._look(known) if known else {}
        for entry in entries.values():
            if entry.state == pb.QUARANTINE_STATE_QUARANTINED:
                deliveries.pass_by(entry.aggregate_id)
        return _skips(entries.values())

    async def _look(self, ids: Iterable[str]) -> Entries:
        found = await self._patience.until_done(partial(self._quarantine.look, list(ids)))
        return {id_: each.record.entry for id_, each in found.items()}


def _skips(entries: Iterable[pb.QuarantineEntry]) -> Skips:
    return {entry.aggregate_id: skipped(entry) for entry in entries if entry.skips}
