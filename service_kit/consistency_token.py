"""The opaque token that names a command's result, so that a query can wait until it sees it."""

import base64
import binascii

from google.protobuf.message import DecodeError

from orderflow.common.v1 import consistency_pb2, errors_pb2
from service_kit.errors import FieldViolation, InvalidArgument


class TokenInvalid(InvalidArgument):
    """A token was not issued by this system, or is no longer valid."""

    reason = errors_pb2.ERROR_REASON_TOKEN_INVALID


def encode(contents: consistency_pb2.ConsistencyTokenContents) -> str:
    """The token as a URL-safe string without padding."""
    return base64.urlsafe_b64encode(contents.SerializeToString(deterministic=True)).rstrip(b"=").decode()


def decode(token: str, *, field: str = "consistency_tokens") -> consistency_pb2.ConsistencyTokenContents:
    """What a token names.

    Raises:
        TokenInvalid: it was not made by `encode`; names `field`.
    """
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        contents = consistency_pb2.ConsistencyTokenContents.FromString(raw)
    except (binascii.Error, UnicodeEncodeError, DecodeError):
        contents = consistency_pb2.ConsistencyTokenContents()
    if not contents.aggregate_id or contents.version < 1 or encode(contents) != token:
        what = "not a token of this system"
        raise TokenInvalid(f"{field}: {what}", [FieldViolation(field, what)])
    return contents
