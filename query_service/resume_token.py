"""Tokens that continue a list: signed, dated, and bound to their query and caller."""

import base64
import hashlib

from google.protobuf.message import DecodeError
from itsdangerous import BadSignature, TimestampSigner

from orderflow.orders.v1 import resume_token_pb2
from service_kit.consistency_token import TokenInvalid

_FIELD = "resume_token"


class ResumeTokens:
    """Issues and reads resume tokens; servers with the same key read each other's.

    Args:
        key: secret, at least 16 characters.
        seconds: how long a token is valid.
    """

    def __init__(self, key: str, *, seconds: int) -> None:
        self._signer = TimestampSigner(
            key, salt="orderflow.resume_token", key_derivation="hmac", digest_method=hashlib.sha256
        )
        self._seconds = seconds

    def issue(self, contents: resume_token_pb2.ResumeTokenContents) -> str:
        """The URL-safe token that says `contents`."""
        payload = base64.urlsafe_b64encode(contents.SerializeToString(deterministic=True)).rstrip(b"=")
        return self._signer.sign(payload).decode()

    def read(self, token: str, query_digest: bytes) -> resume_token_pb2.ResumeTokenContents:
        """What a token says.

        Raises:
            TokenInvalid: naming `resume_token`; it is not ours, was changed, has expired, or is of another query.
        """
        try:
            payload = self._unsigned(token)
            contents = resume_token_pb2.ResumeTokenContents.FromString(
                base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
            )
        except (BadSignature, DecodeError):
            raise TokenInvalid.of(_FIELD, "is not a token of this service, was changed, or has expired") from None
        if contents.query_digest != query_digest:
            raise TokenInvalid.of(_FIELD, "belongs to other query arguments or another caller")
        return contents

    def _unsigned(self, token: str) -> bytes:
        payload = self._signer.unsign(token, max_age=self._seconds)
        signed, _, signature = token.rpartition(".")
        if self._signer.get_signature(signed) != signature.encode():
            raise BadSignature("the signature is right, but not spelled as we do")
        return payload
