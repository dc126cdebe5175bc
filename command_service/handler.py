"""Handles every command of every aggregate: load, fold, decide, append, answer."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from opentelemetry import trace
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from command_service.aggregate import Aggregate, State
from command_service.errors import RequestIdReused, VersionMismatch
from command_service.event_store.port import Append, Appended, Conflict, EventStore, NewEvent, Remembered, RequestKey
from orderflow.common.v1 import consistency_pb2
from orderflow.events.v1 import event_log_pb2
from service_kit import consistency_token
from service_kit.errors import FieldViolation
from service_kit.telemetry import traceparent

ANONYMOUS = "anonymous"
_ATTEMPTS = 10
_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8077-636f6d6d616e")
_tracer = trace.get_tracer("command_service")

Command = TypeVar("Command", bound=Message)
Answer = TypeVar("Answer", bound=Message)


class CommandHandler(Generic[State]):
    """Handles the commands of one kind of aggregate.

    Args:
        clock: the present moment, with its time zone.
        new_id: an id for an aggregate that nobody named and that no request id names.
    """

    def __init__(
        self,
        aggregate: Aggregate[State],
        store: EventStore,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], uuid.UUID],
    ) -> None:
        self._aggregate = aggregate
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def handle(self, request: Any, answer: type[Answer], principal: str = ANONYMOUS) -> Answer:
        """The command's answer, once its events are durable; a repeat by request id gets the first answer.

        Raises:
            ServiceError: the command is refused and has stored nothing.
        """
        with _tracer.start_as_current_span(f"handle {type(request).__name__}") as span:
            span.set_attribute("orderflow.command.type", request.DESCRIPTOR.full_name)
            span.set_attributes(self._aggregate.attributes(request))
            command, aggregate_id = self._named(request, principal)
            span.set_attribute("orderflow.aggregate.id", str(aggregate_id))
            attempts = AsyncRetrying(
                retry=retry_if_exception_type(_Overtaken),
                stop=stop_after_attempt(_ATTEMPTS),
                wait=wait_random_exponential(multiplier=0.005, max=0.2),
                reraise=True,
            )
            key = _request_key(request, principal)
            return answer.FromString(await attempts(self._attempt, command, aggregate_id, key, principal, answer))

    async def state_of(self, aggregate_id: uuid.UUID) -> State:
        """An aggregate's present state, from its events."""
        history, _ = await self._store.load(aggregate_id, None)
        return self._aggregate.fold(history)

    async def states_of(self, aggregate_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, State]:
        """The present states of several aggregates; those that do not exist are left out."""
        histories = await self._store.load_many(aggregate_ids)
        states = {each: self._aggregate.fold(history) for each, history in histories.items()}
        return {each: state for each, state in states.items() if state.version}

    async def _attempt(
        self, command: Any, aggregate_id: uuid.UUID, key: RequestKey | None, principal: str, answer: type[Answer]
    ) -> bytes:
        """Decides on the present state and appends; the serialized answer."""
        with _tracer.start_as_current_span("load"):
            history, remembered = await self._store.load(aggregate_id, key)
        if key is not None and remembered is not None:
            return _recalled(remembered, key)
        state = self._aggregate.fold(history)
        events = self._decided(command, state)
        if self._aggregate.is_foreign(history):
            raise self._aggregate.id_taken(str(aggregate_id))
        after = state
        for event in events:
            after = self._aggregate.evolve(after, event)
        if command.validate_only:
            return self._answer(answer, after, state.version, token="")
        with _tracer.start_as_current_span(
            "append event_store",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.collection.name": "event_store",
                "db.operation.name": "INSERT",
                "orderflow.event.count": len(events),
                "orderflow.aggregate.version": after.version,
            },
        ):
            response = self._answer(answer, after, after.version, token=self._token(aggregate_id, after.version))
            if not events and key is None:
                return response
            outcome = await self._store.append(
                Append(
                    self._aggregate.name,
                    aggregate_id,
                    state.version,
                    [_new_event(event) for event in events],
                    _metadata(command, principal),
                    key,
                    response,
                )
            )
        match outcome:
            case Appended():
                return response
            case Remembered() if key is not None:
                return _recalled(outcome, key)
            case Conflict(current) if _expected(command) is not None:
                raise _mismatch(current)
            case Conflict(current):
                raise _Overtaken(*_mismatch(current).args)
            case _:
                raise AssertionError("a store remembers nothing of a command without request id")

    def _decided(self, command: Any, state: State) -> Sequence[Message]:
        with _tracer.start_as_current_span("decide"):
            expected = _expected(command)
            if expected is not None and state.version not in (0, expected):
                raise _mismatch(state.version)
            return self._aggregate.decide(command, state, self._clock())

    def _named(self, request: Command, principal: str) -> tuple[Command, uuid.UUID]:
        """The command with its aggregate's id in lower case, and that id.

        An empty id is derived from principal and request id, so that a retry names the same aggregate.
        """
        named: str = getattr(request, self._aggregate.id_field)
        request_id: str = getattr(request, "request_id")  # noqa: B009
        if named:
            aggregate_id = uuid.UUID(named)
        elif request_id:
            aggregate_id = uuid.uuid5(_NAMESPACE, f"{self._aggregate.name}\0{principal}\0{request_id}")
        else:
            aggregate_id = self._new_id()
        if named == str(aggregate_id):
            return request, aggregate_id
        command = type(request).FromString(request.SerializeToString())
        setattr(command, self._aggregate.id_field, str(aggregate_id))
        return command, aggregate_id

    def _answer(self, answer: type[Answer], state: State, version: int, *, token: str) -> bytes:
        facts = {**self._aggregate.facts(state), "version": version, "consistency_token": token}
        shown = {name: facts[name] for name in answer.DESCRIPTOR.fields_by_name}
        return answer(**shown).SerializeToString(deterministic=True)

    def _token(self, aggregate_id: uuid.UUID, version: int) -> str:
        return consistency_token.encode(
            consistency_pb2.ConsistencyTokenContents(
                aggregate_type=self._aggregate.name,
                aggregate_id=str(aggregate_id),
                version=version,
                traceparent=traceparent()[0],
            )
        )


class _Overtaken(VersionMismatch):
    """Another command was faster; decide again on what it made."""


def _mismatch(current: int) -> VersionMismatch:
    return VersionMismatch(f"the current version is {current}", metadata={"current_version": str(current)})


def _expected(command: Any) -> int | None:
    if "expected_version" not in command.DESCRIPTOR.fields_by_name or not command.HasField("expected_version"):
        return None
    return int(command.expected_version)


def _request_key(request: Any, principal: str) -> RequestKey | None:
    if not request.request_id or request.validate_only:
        return None
    name = request.DESCRIPTOR.full_name.encode()
    digest = hashlib.sha256(name + b"\0" + request.SerializeToString(deterministic=True)).digest()
    return RequestKey(principal, request.request_id, digest, _contract_version(request.DESCRIPTOR.file))


@cache
def _contract_version(file: Any) -> str:
    """Names the contract that a digest was made by: a newer one may serialize the same request otherwise."""
    return hashlib.sha256(file.serialized_pb).hexdigest()[:16]


def _recalled(remembered: Remembered, key: RequestKey) -> bytes:
    if remembered.digest != key.digest and remembered.contract_version == key.contract_version:
        what = "was used for another request"
        raise RequestIdReused(f"request_id {what}", [FieldViolation("request_id", what)])
    return remembered.response


def _new_event(event: Message) -> NewEvent:
    return NewEvent(event.DESCRIPTOR.full_name, event.SerializeToString(deterministic=True))


def _metadata(command: Any, principal: str) -> bytes:
    parent, state = traceparent()
    return event_log_pb2.EventMetadata(
        traceparent=parent,
        tracestate=state,
        principal=principal,
        request_id=command.request_id,
        command_type=command.DESCRIPTOR.full_name,
    ).SerializeToString(deterministic=True)
