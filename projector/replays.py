"""Lets aggregates out of a generation's quarantine: folds what the event log has of them into their documents."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.aggregate_projection import AggregateProjections
from projector.errors import AnotherVersion, CannotSkipCreation, EventsMissing, QuarantineEntryNotFound, Undecodable
from projector.event_log import EventLog
from projector.events import by_type
from projector.folding import Failure
from projector.patience import Patience
from projector.quarantine import Found, Quarantine
from projector.quarantine_records import (
    about,
    changed,
    entry_id,
    in_state,
    logged_record,
    skipped,
    subject_of_record,
)
from projector.tracing import Spans, replay_span
from read_models.read_model import ReadModel


class Replays:
    """Replays and skips entries. All of it can be repeated, by several processes at once.

    A replay first folds while the aggregate's events still pass by. When that gets past the entry's version, the
    entry is marked, so that events are projected again; then the log is read once more, for what passed by before the
    mark; then the entry goes. Whoever dies in between leaves either a quarantined entry, or a marked one, which the
    next process to get a partition finishes.

    Its methods raise Outage when the process is to stop before their work is done.
    """

    def __init__(
        self,
        read_model: ReadModel[Any],
        quarantine: Quarantine,
        projections: AggregateProjections,
        event_log: EventLog,
        patience: Patience,
        *,
        now_us: Callable[[], int],
    ) -> None:
        self._own = read_model.aggregate
        self._aggregates = by_type(read_model.aggregates)
        self._quarantine = quarantine
        self._projections = projections
        self._event_log = event_log
        self._patience = patience
        self._now_us = now_us

    async def replay(self, id_: str) -> pb.QuarantineEntry | None:
        """Tries an entry again; answers it as it is then, None where it is gone.

        Raises:
            QuarantineEntryNotFound: there is none.
        """
        await self._patience.until_done(partial(self._there, id_))
        return await self._patience.until_done(partial(self._replay, id_))

    async def skip(self, id_: str, version: int, actor: str, reason: str) -> pb.QuarantineEntry | None:
        """Has a version passed over; answers the entry as it is then.

        Raises:
            QuarantineEntryNotFound: there is no such entry.
            AnotherVersion: it is about another version.
            CannotSkipCreation: see there.
        """
        skip = pb.QuarantineSkip(version=version, actor=actor, reason=reason)
        skip.skip_time.FromMicroseconds(self._now_us())
        return await self._patience.until_done(partial(self._skip, id_, skip))

    async def set_aside(self, aggregate_id: str) -> bool:
        """Brings an aggregate as far as the log can be projected; quarantines it, unless that is all the way."""
        return await self._patience.until_done(partial(self._set_aside, aggregate_id))

    async def finish(self, id_: str) -> None:
        """Finishes a replay that another process has begun, unless it does so itself."""

        async def finish() -> None:
            found = (await self._quarantine.look([id_], messages=True)).get(id_)
            if found is not None and found.record.entry.state == pb.QUARANTINE_STATE_REPLAYING:
                await self._release(found)

        await self._patience.until_done(finish)

    async def _there(self, id_: str) -> Found:
        found = await self._quarantine.look([id_], messages=True)
        if id_ not in found:
            raise QuarantineEntryNotFound(id_)
        return found[id_]

    async def _replay(self, id_: str) -> pb.QuarantineEntry | None:
        found = (await self._quarantine.look([id_], messages=True)).get(id_)
        if found is None:
            return None
        entry = found.record.entry
        if not entry.aggregate_type:
            return await self._replay_message(found)
        failure = await self._caught_up(entry.aggregate_type, entry.aggregate_id, entry.version, skipped(entry))
        if failure is not None:
            return await self._keep(found, failure)
        if entry.state == pb.QUARANTINE_STATE_QUARANTINED:
            found = await self._quarantine.replace(found, in_state(found.record, pb.QUARANTINE_STATE_REPLAYING))
        return await self._release(found)

    async def _skip(self, id_: str, skip: pb.QuarantineSkip) -> pb.QuarantineEntry | None:
        found = await self._there(id_)
        entry = found.record.entry
        if skip.version in skipped(entry) and (found.state is None or skip.version != entry.version):
            return entry
        if skip.version not in skipped(entry):
            if skip.version != entry.version:
                raise AnotherVersion(id_, entry.version)
            if entry.version == 1 and await self._is_known(entry):
                raise CannotSkipCreation(id_)
            found = await self._quarantine.skip(found, skip)
        if entry.aggregate_type:
            found = await self._quarantine.replace(found, in_state(found.record, pb.QUARANTINE_STATE_REPLAYING))
            return await self._release(found)
        return await self._let_go(found)

    async def _set_aside(self, aggregate_id: str) -> bool:
        id_ = entry_id(self._own.type, aggregate_id)
        found = (await self._quarantine.look([id_])).get(id_)
        failure = await self._caught_up(self._own.type, aggregate_id, 0, skipped(found.record.entry) if found else ())
        if failure is not None:
            record = logged_record(self._own.type, aggregate_id, failure, time_us=self._now_us())
            await self._quarantine.add({id_: record})
        return failure is not None

    async def _release(self, found: Found) -> pb.QuarantineEntry | None:
        """The rest of a replay, from the mark on."""
        entry = found.record.entry
        failure = await self._caught_up(entry.aggregate_type, entry.aggregate_id, entry.version, skipped(entry))
        return await self._let_go(found) if failure is None else await self._keep(found, failure)

    async def _let_go(self, found: Found) -> pb.QuarantineEntry | None:
        await self._quarantine.remove(found)
        return found.common.entry if found.common else None

    async def _keep(self, found: Found, failure: Failure) -> pb.QuarantineEntry:
        record = changed(found.record, failure, time_us=self._now_us())
        return (await self._quarantine.replace(found, record)).record.entry

    async def _replay_message(self, found: Found) -> pb.QuarantineEntry | None:
        """Where the message names an aggregate by now, that is brought up to date, or takes the entry over."""
        entry = found.record.entry
        if entry.state == pb.QUARANTINE_STATE_SKIPPED:
            return entry
        try:
            subject = subject_of_record(found.record, self._aggregates)
        except Undecodable as cause:
            return await self._keep(found, Failure(entry.version, cause))
        failure = await self._caught_up(subject.aggregate.type, subject.aggregate_id, subject.version, ())
        taken_over = None
        if failure is not None:
            record = about(found.record, subject, failure, time_us=self._now_us())
            await self._quarantine.add({record.entry.id: record})
            taken_over = (await self._there(record.entry.id)).record.entry
        await self._quarantine.remove(found)
        return taken_over

    async def _caught_up(self, aggregate_type: str, id_: str, version: int, skips: Collection[int]) -> Failure | None:
        """Projects what the log has of an aggregate; answers why that does not get past the version."""
        projection = self._projections[aggregate_type]
        shown = await projection.shown_version(id_)
        after = max(0, (version if shown is None else shown) - 1)
        history = await self._event_log.history(self._aggregates[aggregate_type], id_, after, skips=skips)
        with replay_span(aggregate_type, id_, history.origins) as span:
            spans: Spans = {id_: [span]}
            failures = await projection.project({id_: history.events}, spans, {id_: skips})
        if id_ in failures:
            return failures[id_]
        if version in skips or any(each.version >= version for each in history.events):
            return None
        return Failure(version, EventsMissing("the event log does not have it"))

    async def _is_known(self, entry: pb.QuarantineEntry) -> bool:
        """Whether the entry's aggregate has a document of its own to be, and events."""
        if entry.aggregate_type != self._own.type:
            return False
        return bool((await self._event_log.history(self._own, entry.aggregate_id, after=0)).events)
