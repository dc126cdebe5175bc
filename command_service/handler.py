"""Handles every command of every aggregate: decide on the state at hand, append, answer."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic
from weakref import WeakValueDictionary

from cachetools import LRUCache
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from opentelemetry import metrics, trace
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from command_service.aggregate import Aggregate, State
from command_service.errors import Overloaded, StoreUnavailable, VersionMismatch
from command_service.event_store.port import (
    Append,
    Conflict,
    EventStore,
    Loaded,
    NewEvent,
    Remembered,
    RequestKey,
    Snapshot,
)
from command_service.request import Answer, Digests, Request
from orderflow.common.v1 import consistency_pb2
from orderflow.events.v1 import event_log_pb2
from service_kit import consistency_token
from service_kit.errors import ServiceError
from service_kit.telemetry import inner_span, traceparent

ANONYMOUS = "anonymous"
_ATTEMPTS = 10
_SNAPSHOT_EVENTS = 30
_PLAIN_DIGESTS = Digests()
_RETRY_AFTER = timedelta(milliseconds=200)
_tracer = trace.get_tracer("command_service")


@dataclass(frozen=True, slots=True)
class _Decision(Generic[State]):
    """What a command makes of a state."""

    before: State
    events: Sequence[Message]
    after: State


class CommandHandler(Generic[State]):
    """Handles the commands of one kind of aggregate.

    A command is decided first on the state at hand: the cached one, or that of nothing where the command creates
    its aggregate. The append accepts it only if that was the present state. Nothing is refused on a state at hand:
    before that, the request's answer is looked up and the command is decided again on the events themselves.
    Commands to the same aggregate take turns: at once, all but one would be decided in vain.

    Args:
        cached_states: how many aggregates' states are kept.
        clock: the present moment, with its time zone.
        new_id: an id for an aggregate that nobody named and that no request id names.
        digests: of requests.
        check: what the store refuses of some events, for commands that are only to be checked; raises ServiceError.
    """

    def __init__(
        self,
        aggregate: Aggregate[State],
        store: EventStore,
        *,
        cached_states: int,
        clock: Callable[[], datetime],
        new_id: Callable[[], uuid.UUID],
        digests: Digests = _PLAIN_DIGESTS,
        check: "Callable[[Sequence[Message]], Awaitable[None]] | None" = None,
    ) -> None:
        self._aggregate = aggregate
        self._store = store
        self._states: LRUCache[uuid.UUID, State] = LRUCache(cached_states)
        self._turns: WeakValueDictionary[uuid.UUID, asyncio.Lock] = WeakValueDictionary()
        self._clock = clock
        self._new_id = new_id
        self._digests = digests
        self._check = check
        self._overtaken = metrics.get_meter("command_service").create_counter(
            "orderflow.command.overtaken",
            unit="{command}",
            description="Times that a command had to be decided again because another was faster.",
        )

    async def handle(self, message: Any, answer: type[Answer], principal: str = ANONYMOUS) -> Answer:
        """The command's answer, once its events are durable; a repeat by request id gets the first answer.

        Raises:
            ServiceError: the command is refused and has stored nothing.
        """
        with inner_span(_tracer, f"handle {type(message).__name__}") as span:
            request = Request.of(
                message,
                answer,
                principal,
                naming=self._aggregate.naming,
                kind=self._aggregate.name,
                new_id=self._new_id,
                digests=self._digests,
            )
            if span.is_recording():
                span.set_attribute("orderflow.command.type", message.DESCRIPTOR.full_name)
                span.set_attribute("orderflow.aggregate.id", str(request.aggregate_id))
                span.set_attributes(self._aggregate.attributes(message))
            async with self._turns.setdefault(request.aggregate_id, asyncio.Lock()):
                response = await self._on_state_at_hand(request) or await self._on_fresh_state(request)
        return answer.FromString(response)

    async def state_of(self, aggregate_id: uuid.UUID) -> State:
        """An aggregate's present state, from its events."""
        return self._aggregate.restored(await self._load(aggregate_id, None))

    async def states_of(self, aggregate_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, State]:
        """The present states of several aggregates; those that do not exist are left out."""
        histories = await self._store.load_many(aggregate_ids)
        states = {each: self._aggregate.fold(history) for each, history in histories.items()}
        return {each: state for each, state in states.items() if state.version}

    async def _on_state_at_hand(self, request: Request[Answer]) -> bytes | None:
        """The serialized answer; None where only the events themselves can tell."""
        state = self._states.get(request.aggregate_id)
        if state is None and isinstance(request.command, self._aggregate.creates):
            state = self._aggregate.initial
        if state is None or request.command.validate_only:
            return None
        try:
            decision = self._decide(request, state)
        except ServiceError:
            return None
        if not decision.events and request.key is None:
            return None  # no append would verify the state
        try:
            return await self._append(request, decision)
        except (_Overtaken, VersionMismatch):
            return None

    async def _on_fresh_state(self, request: Request[Answer]) -> bytes:
        """The serialized answer, decided on the events; again where another command was faster."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_Overtaken),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.005, max=0.2),
            reraise=True,
        )
        try:
            return await attempts(self._attempt, request)
        except _Overtaken as overtaken:
            raise Overloaded(
                "other commands to the same aggregate were faster", retry_after=_RETRY_AFTER
            ) from overtaken

    async def _attempt(self, request: Request[Answer]) -> bytes:
        with inner_span(_tracer, "load"):
            loaded = await self._load(request.aggregate_id, request.key)
        if loaded.remembered is not None:
            return request.recalled(loaded.remembered)
        state = self._aggregate.restored(loaded)
        await self._keep_snapshot(request.aggregate_id, state, len(loaded.history))
        decision = self._decide(request, state)
        if self._aggregate.is_foreign(loaded.history):
            raise self._aggregate.id_taken(str(request.aggregate_id))
        if request.command.validate_only:
            if self._check is not None:
                await self._check(decision.events)
            return self._answer(request, decision.after, decision.before.version, token="")
        if not decision.events and request.key is None:
            return self._accepted(request, decision)
        return await self._append(request, decision)

    async def _load(self, aggregate_id: uuid.UUID, request: RequestKey | None) -> Loaded:
        snapshots = self._aggregate.snapshots
        return await self._store.load(aggregate_id, request, fold=snapshots.fold if snapshots else "")

    async def _keep_snapshot(self, aggregate_id: uuid.UUID, state: State, folded: int) -> None:
        """Keeps the state if it took many events to fold, so that the next load takes few."""
        snapshots = self._aggregate.snapshots
        if snapshots is None or folded < _SNAPSHOT_EVENTS:
            return
        with suppress(StoreUnavailable):  # the next load tries again
            await self._store.keep_snapshot(
                aggregate_id, Snapshot(snapshots.fold, state.version, snapshots.write(state))
            )

    def _decide(self, request: Request[Answer], state: State) -> _Decision[State]:
        with inner_span(_tracer, "decide"):
            expected = request.expected_version
            if expected is not None and state.version not in (0, expected):
                raise _mismatch(state.version)
            events = self._aggregate.decide(request.command, state, self._clock())
            after = state
            for event in events:
                after = self._aggregate.evolve(after, event)
            return _Decision(state, events, after)

    async def _append(self, request: Request[Answer], decision: _Decision[State]) -> bytes:
        """Appends what was decided; the serialized answer, or the first one to this request.

        Raises:
            _Overtaken: the aggregate is not in the state that was decided on.
            VersionMismatch: it is not, and the caller expects that version.
        """
        with inner_span(
            _tracer,
            "append event_store",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.collection.name": "event_store",
                "db.operation.name": "INSERT",
                "orderflow.event.count": len(decision.events),
                "orderflow.aggregate.version": decision.after.version,
            },
        ):
            response = self._accepted(request, decision)
            outcome = await self._store.append(
                Append(
                    self._aggregate.name,
                    request.aggregate_id,
                    decision.before.version,
                    [_new_event(event) for event in decision.events],
                    _metadata(request),
                    request.key,
                    response,
                )
            )
        match outcome:
            case Remembered():
                return request.recalled(outcome)
            case Conflict(current):
                self._states.pop(request.aggregate_id, None)
                if request.expected_version is not None:
                    raise _mismatch(current)
                self._overtaken.add(1, {"orderflow.aggregate.type": self._aggregate.name})
                raise _Overtaken
        self._states[request.aggregate_id] = decision.after
        return response

    def _accepted(self, request: Request[Answer], decision: _Decision[State]) -> bytes:
        version = decision.after.version
        return self._answer(request, decision.after, version, token=self._token(request.aggregate_id, version))

    def _answer(self, request: Request[Answer], state: State, version: int, *, token: str) -> bytes:
        """The serialized answer.

        Args:
            token: empty where nothing was stored that a query could wait for.
        """
        facts = {**self._aggregate.facts(state), "version": version, "consistency_token": token}
        shown = {name: facts[name] for name in _fields(request.answer.DESCRIPTOR)}
        return request.answer(**shown).SerializeToString(deterministic=True)

    def _token(self, aggregate_id: uuid.UUID, version: int) -> str:
        return consistency_token.encode(
            consistency_pb2.ConsistencyTokenContents(
                aggregate_type=self._aggregate.name,
                aggregate_id=str(aggregate_id),
                version=version,
                traceparent=traceparent()[0],
            )
        )


class _Overtaken(Exception):
    """Another command was faster; decide again on what it made."""


@cache
def _fields(answer: Descriptor) -> Sequence[str]:
    return tuple(answer.fields_by_name)


def _mismatch(current: int) -> VersionMismatch:
    return VersionMismatch(f"the current version is {current}", metadata={"current_version": str(current)})


def _new_event(event: Message) -> NewEvent:
    return NewEvent(event.DESCRIPTOR.full_name, event.SerializeToString(deterministic=True))


def _metadata(request: Request[Any]) -> bytes:
    parent, state = traceparent()
    return event_log_pb2.EventMetadata(
        traceparent=parent,
        tracestate=state,
        principal=request.principal,
        request_id=request.command.request_id,
        command_type=request.command.DESCRIPTOR.full_name,
    ).SerializeToString(deterministic=True)
