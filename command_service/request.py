"""A command on its way through the handler: named, keyed for repeats, with what the caller expects."""

import hashlib
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from command_service.errors import RequestIdReused
from command_service.event_store.port import Remembered, RequestKey
from command_service.naming import Naming
from service_kit.errors import FieldViolation

Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, slots=True)
class Digests:
    """Makes the digests by which a repeat of a request is told from another request with its id.

    Args:
        key: without it, who reads a digest can try out what little a request may say of a person, until it matches.
        key_id: names the key; digests of different keys are not compared.
    """

    key: bytes = b""
    key_id: str = ""

    def of(self, message: Message) -> bytes:
        """A parsed request's digest."""
        content = message.SerializeToString(deterministic=True)
        return hmac.digest(self.key, content, "sha256") if self.key else hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """A command and all that the handler knows of it.

    Args:
        command: with its aggregate's id set, in lower case.
        key: what a repeat is known by; None without a request id, and where nothing is to be stored.
        answer: the type of the command's answer.
    """

    command: Any
    aggregate_id: uuid.UUID
    principal: str
    key: RequestKey | None
    answer: type[Answer]

    @classmethod
    def of(
        cls,
        message: Any,
        answer: type[Answer],
        principal: str,
        *,
        naming: Naming,
        kind: str,
        new_id: Callable[[], uuid.UUID],
        digests: Digests,
    ) -> "Request[Answer]":
        """The request that a message makes."""
        key = _key(message, principal, digests)
        aggregate_id, message = naming.find(message, kind=kind, principal=principal, new_id=new_id)
        return cls(message, aggregate_id, principal, key, answer)

    @property
    def expected_version(self) -> int | None:
        """The version that the caller wants the aggregate to have."""
        if "expected_version" not in self.command.DESCRIPTOR.fields_by_name:
            return None
        return int(self.command.expected_version) if self.command.HasField("expected_version") else None

    def recalled(self, remembered: Remembered) -> bytes:
        """The first answer to this request.

        Raises:
            RequestIdReused: the request id was used for another request.
        """
        key = self.key
        if key is None:
            raise AssertionError("a store remembers nothing of a command without request id")
        if _command_of(remembered.contract_version) != _command_of(key.contract_version) or (
            remembered.digest != key.digest and remembered.contract_version == key.contract_version
        ):
            what = "was used for another request"
            raise RequestIdReused(f"request_id {what}", [FieldViolation("request_id", what)])
        return remembered.response


def _key(message: Any, principal: str, digests: Digests) -> RequestKey | None:
    if not message.request_id or message.validate_only:
        return None
    contract_version = _contract_version(message.DESCRIPTOR, digests.key_id)
    return RequestKey(principal, message.request_id, digests.of(message), contract_version)


@cache
def _contract_version(command: Descriptor, key_id: str) -> str:
    """Names the command, and the contract and key that a digest was made by: a newer one may serialize it otherwise."""
    contract = hashlib.sha256(command.file.serialized_pb).hexdigest()[:16]
    return f"{command.full_name}@{contract}{key_id and '/'}{key_id}"


def _command_of(contract_version: str) -> str:
    return contract_version.partition("@")[0]
