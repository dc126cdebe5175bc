"""Seals personal data under a key, bound to the event that it is of: AES-256-GCM with a random nonce.

Sealed bytes are one byte that names this format, the nonce of 12 bytes, and the ciphertext with its tag of 16 bytes.
Their length tells that of what is sealed. A key may seal 2^32 times before nonces might repeat (NIST SP 800-38D, 8.3),
which is beyond any customer's events.
"""

import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_FORMAT = b"\x01"
_NONCE_BYTES = 12


class NotSealedSo(ValueError):
    """The bytes are not what was sealed with this key for this event."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What sealed bytes belong to, and open as nothing else."""

    key_id: UUID
    aggregate_id: UUID
    event_type: str

    def to_bytes(self) -> bytes:
        """All of it, unambiguously: the first two have a fixed length."""
        return _FORMAT + self.key_id.bytes + self.aggregate_id.bytes + self.event_type.encode()


def new_key() -> bytes:
    """A key, from the system's source of randomness."""
    return os.urandom(KEY_BYTES)


def seal(cipher: AESGCM, data: bytes, associated: bytes) -> bytes:
    """The data, sealed with a nonce of its own.

    Args:
        associated: what it is bound to.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + cipher.encrypt(nonce, data, associated)


def open_(cipher: AESGCM, sealed: bytes, associated: bytes) -> bytes:
    """What was sealed.

    Raises:
        NotSealedSo: see there.
    """
    if sealed[:1] != _FORMAT:
        raise NotSealedSo("it is sealed in a form that is not known")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, ciphertext, associated)
    except (InvalidTag, ValueError) as error:  # the latter of a nonce that is cut short
        raise NotSealedSo("it was not sealed with this key for this") from error
