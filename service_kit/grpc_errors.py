"""Turns exceptions into gRPC statuses, in one place for all servers."""

import asyncio

import grpc
import structlog
from google.protobuf.message import Message
from grpc_status import rpc_status
from opentelemetry import metrics, trace
from opentelemetry.semconv._incubating.attributes.rpc_attributes import RPC_METHOD

from service_kit.errors import ServiceError
from service_kit.grpc_layers import Call, Context

_REASON = "orderflow.error.reason"
_log = structlog.get_logger("service_kit.grpc")


class Errors:
    """A ServiceError becomes its documented status; anything else INTERNAL, logged and never shown."""

    def __init__(self) -> None:
        self._refusals = metrics.get_meter("service_kit.grpc").create_counter(
            "orderflow.rpc.server.refusals", unit="{call}", description="Refused calls, by method and reason."
        )

    def around(self, method: str, call: Call) -> Call:
        """The call with every exception answered."""

        async def answered(request: Message, context: Context) -> Message | None:
            try:
                return await call(request, context)
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except ServiceError as refusal:
                reason = refusal.reason_name
                trace.get_current_span().set_attribute(_REASON, reason)
                self._refusals.add(1, {RPC_METHOD: method, _REASON: reason})
                status = rpc_status.to_status(refusal.status())
                trailers = (*(status.trailing_metadata or ()), *refusal.trailers)
                await context.abort(refusal.code, refusal.message, trailers)
            except Exception as error:  # noqa: BLE001
                trace.get_current_span().record_exception(error)
                _log.exception("uncaught error", method=method)
                await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has it")
            raise AssertionError("abort raises")

        return answered
