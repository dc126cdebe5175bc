"""What is added to a request before it is sent."""

import uuid
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, TypeVar

from google.protobuf.message import Message

from orderflow_client.tokens import Tokens

try:
    from opentelemetry import propagate
except ImportError:  # tracing is the caller's choice
    propagate = None  # type: ignore[assignment]

AnyRequest = TypeVar("AnyRequest")


def completed(request: AnyRequest, tokens: Tokens) -> AnyRequest:
    """The request with a request id, if it is a command without one, and with the tokens that it should pass.

    The caller's own message is left as it is. gRPC's retries send what is answered here, so all of them have one id.
    """
    message: Any = deepcopy(request)
    if "request_id" in message.DESCRIPTOR.fields_by_name and not message.request_id:
        message.request_id = str(uuid.uuid4())
    wanted = tokens.wanted_by(message)
    if wanted:
        message.consistency_tokens.extend(wanted)
    completed_request: AnyRequest = message
    return completed_request


def request_id_of(request: Message) -> str:
    """The request id; empty where the message has none."""
    return str(getattr(request, "request_id", ""))


def traced(metadata: Iterable[tuple[str, str | bytes]] | None) -> list[tuple[str, str | bytes]]:
    """The metadata with the current trace context, where OpenTelemetry is installed and the caller gives none."""
    given = list(metadata or ())
    if propagate is None or any(key == "traceparent" for key, _ in given):
        return given
    context: dict[str, str] = {}
    propagate.inject(context)
    return [*given, *((key.lower(), value) for key, value in context.items())]
