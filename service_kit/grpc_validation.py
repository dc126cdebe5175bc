"""Checks every request against the rules written in its proto."""

from typing import Any

import protovalidate
from google.protobuf.message import Message

from service_kit.errors import FieldViolation, InvalidArgument
from service_kit.grpc_layers import Call, Context, Undecodable
from service_kit.grpc_lists import too_long_lists
from service_kit.grpc_times import impossible_times

# A refusal travels in headers, of which clients by default take 8 KiB.
_MOST_NAMED = 20
_MOST_TOLD = 3


class Validation:
    """Refuses a request whose form breaks a protovalidate rule, naming every field that does."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def around(self, method: str, call: Call) -> Call:  # noqa: ARG002
        """The call, made only with a valid request."""

        async def validated(request: Message, context: Context) -> Message | None:
            check(self._validator, request)
            return await call(request, context)

        return validated


def check(validator: protovalidate.Validator, request: Message | Undecodable) -> None:
    """Returns if the request keeps all rules of its proto, and its times are times.

    Raises:
        InvalidArgument: with one field violation a broken rule; of very many the first, and how many more.
    """
    if isinstance(request, Undecodable):
        raise InvalidArgument.of("", "the request cannot be read as a message of its type")
    found = [FieldViolation(field, f"must not hold more than {most}") for field, most in too_long_lists(request)]
    if not found:
        broken = validator.collect_violations(request)
        found = [FieldViolation(_path(each.proto), each.proto.message) for each in broken]
    if not found:
        found = [FieldViolation(field, "is no valid timestamp") for field in impossible_times(request)]
    if not found:
        return
    violations = found[:_MOST_NAMED]
    message = "; ".join(": ".join(filter(None, (each.field, each.description))) for each in violations[:_MOST_TOLD])
    if len(found) > _MOST_NAMED:
        violations.append(FieldViolation("", f"and {len(found) - _MOST_NAMED} more violations"))
    if len(found) > _MOST_TOLD:
        message += f"; and {len(found) - _MOST_TOLD} more"
    raise InvalidArgument(message, violations)


def _path(violation: Any) -> str:
    """A field path as clients write it: `items[1].unit_price.nanos`; empty for a rule of the whole message."""
    if violation.field is None:
        return ""
    parts = []
    for element in violation.field.elements:
        index = element.subscript
        parts.append(element.field_name if index is None else f"{element.field_name}[{index.value}]")
    return ".".join(parts)
