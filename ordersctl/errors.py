"""What a refused or failed call says to people and to programs, and the exit status it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from ordersctl.exit_codes import FAILED, REFUSED, UNAVAILABLE

_EXIT_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: REFUSED,
    grpc.StatusCode.FAILED_PRECONDITION: REFUSED,
    grpc.StatusCode.NOT_FOUND: REFUSED,
    grpc.StatusCode.ALREADY_EXISTS: REFUSED,
    grpc.StatusCode.ABORTED: REFUSED,
    grpc.StatusCode.UNAVAILABLE: UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: UNAVAILABLE,
}
_OUTCOME_UNKNOWN = {grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
_VERDICTS = {REFUSED: "refused", UNAVAILABLE: "unavailable", FAILED: "failed"}
_ADVICE_BY_REASON = {
    "ORDER_NOT_FOUND": "check the id; to see an order of a moment ago, pass its token to `order get --token`",
    "TOKEN_INVALID": "ask anew without it",
    "VERSION_MISMATCH": "read the order again, decide again, and pass the version you saw",
    "REQUEST_ID_REUSED": "choose a new --request-id for a new command",
    "PROJECTION_NOT_FOUND": "`ordersctl projection list` shows those there are",
    "GENERATION_NOT_FOUND": "`ordersctl projection list` shows the generations",
    "REBUILD_RUNNING": "`ordersctl projection rebuild --follow` shows it",
    "GENERATION_BEHIND": "start a projector that writes its mapping, and try again once it has no lag",
    "READ_MODEL_UNAVAILABLE": "is Elasticsearch running? `make status` shows it; docs/runbook.md says more",
    "STORE_UNAVAILABLE": "are PostgreSQL and the command service running? `make status` shows it",
    "EVENTUAL_CONSISTENCY_TIMEOUT": "ask again; `ordersctl projection list` shows how far it is",
}
_ADVICE_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: "is the stack running? `make run` starts it, `make status` shows it",
    grpc.StatusCode.DEADLINE_EXCEEDED: "the outcome is not known; a longer --timeout may help",
    grpc.StatusCode.UNIMPLEMENTED: "this server does not offer it",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One refused or failed call.

    Args:
        reason: the contract's reason; empty where the services had no say, e.g. when nobody answered.
        fields: each wrong field's path and what is wrong with it.
        metadata: further facts, e.g. the current status and what is allowed now.
        retry_after: seconds after which asking again makes sense; none where the server named none.
        repeat_with: options that a repeat of the command line should have; none where a repeat fails again.
        advised: what to do, where the caller knows better than the reason says.
    """

    code: grpc.StatusCode
    reason: str = ""
    message: str
    fields: tuple[tuple[str, str], ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    repeat_with: Mapping[str, str] = field(default_factory=dict)
    advised: str = ""

    @property
    def exit_code(self) -> int:
        """The exit status documented in --help."""
        return _EXIT_CODES.get(self.code, FAILED)

    @property
    def advice(self) -> str:
        """What to do about it; empty where the message says all there is."""
        by_reason = _ADVICE_BY_REASON.get(self.reason) or ("" if self.reason else _ADVICE_BY_CODE.get(self.code, ""))
        later = f"try again in {self.retry_after:g} s" if self.retry_after is not None else ""
        options = " ".join(f"{option} {value}" for option, value in self.repeat_with.items())
        again = f"repeat it with {options}" if options else ""
        return "; ".join(part for part in (self.advised or by_reason, later, again) if part)

    @property
    def line(self) -> str:
        """The failure in one line for people."""
        fields = [
            f"field {path}" if wrong in self.message else f"{path}: {wrong}"
            for path, wrong in self.fields
            if f"{path}: {wrong}" not in self.message
        ]
        facts = [f"{name.replace('_', ' ')}: {value or 'none'}" for name, value in self.metadata.items()]
        parts = [self.message, *fields, *facts, self.advice]
        text = " · ".join(part for part in parts if part)
        verdict = _VERDICTS[self.exit_code]
        name = self.reason or self.code.name
        return f"{verdict}: {text}" if name == verdict.upper() else f"{verdict}: {name}: {text}"

    def as_json(self) -> dict[str, Any]:
        """The failure for programs; absent keys mean that there is nothing to say."""
        described = {
            "code": self.code.name,
            "reason": self.reason,
            "message": self.message,
            "fields": [{"field": path, "description": wrong} for path, wrong in self.fields],
            "metadata": dict(self.metadata),
            "retry_after_seconds": self.retry_after,
            "advice": self.advice,
            "repeat_with": dict(self.repeat_with),
        }
        return {"error": {key: value for key, value in described.items() if value not in ("", None, [], {})}}


class CallFailed(Exception):
    """A call was refused or failed; says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.line)
        self.failure = failure

    def repeat_with(self, option: str, value: str) -> "CallFailed":
        """The same, naming an option to repeat the command line with if that can help."""
        if self.failure.exit_code != UNAVAILABLE and self.failure.code not in _OUTCOME_UNKNOWN:
            return self
        return CallFailed(replace(self.failure, repeat_with={**self.failure.repeat_with, option: value}))

    def advised(self, advice: str) -> "CallFailed":
        """The same with other advice."""
        return CallFailed(replace(self.failure, advised=advice))


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """What a failed call's status and its details say."""
    details = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        details = details.rpartition("last error: UNKNOWN: ")[2]
    failure = Failure(code=error.code(), message=details)
    status = _status_of(error)
    return failure if status is None else _with_details(failure, status)


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:  # details that contradict the status: the status counts
        return None
    return status


def _with_details(failure: Failure, status: status_pb2.Status) -> Failure:
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            failure = replace(failure, reason=info.reason, metadata=dict(sorted(info.metadata.items())))
        elif detail.Unpack(bad):
            fields = tuple((each.field, each.description) for each in bad.field_violations)
            failure = replace(failure, fields=fields)
        elif detail.Unpack(retry):
            failure = replace(failure, retry_after=retry.retry_delay.ToTimedelta().total_seconds())
    return failure
