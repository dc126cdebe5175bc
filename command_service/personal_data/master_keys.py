"""Master keys: they wrap the keys of customers, and lie in no database."""

import base64
import binascii
import hmac
from collections.abc import Iterator, Sequence
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from command_service.personal_data.sealing import KEY_BYTES, open_, seal


class UnknownMasterKey(Exception):
    """A key is wrapped by a master key that this process was not given."""


class MasterKeys:
    """The one that wraps, and former ones that only unwrap, until all keys are rewrapped.

    `id` names the one that wraps. `digest_key`, made of it, keeps digests of personal data from being guessed.

    Args:
        current: 32 bytes.
        former: of 32 bytes each.
    """

    def __init__(self, current: bytes, former: Sequence[bytes] = ()) -> None:
        self.id = _id_of(current)
        self.digest_key = _derived(current, "digests of requests")
        self._ciphers = {_id_of(each): AESGCM(each) for each in (*former, current)}

    def __iter__(self) -> Iterator[str]:
        """The ids of all of them."""
        return iter(self._ciphers)

    def wrap(self, key: bytes, key_id: UUID, customer_id: UUID) -> bytes:
        """A customer's key, to be kept in the database; it unwraps in no other row."""
        return seal(self._ciphers[self.id], key, _row(key_id, customer_id))

    def unwrap(self, wrapped: bytes, key_id: UUID, customer_id: UUID, master_key_id: str) -> bytes:
        """The customer's key.

        Raises:
            UnknownMasterKey: it is wrapped by another one.
            NotSealedSo: it was changed, or moved here from another row.
        """
        if master_key_id not in self._ciphers:
            raise UnknownMasterKey(f"a key is wrapped by the master key {master_key_id}, which is not known here")
        return open_(self._ciphers[master_key_id], wrapped, _row(key_id, customer_id))


def master_key_of(text: str) -> bytes:
    """The master key in a setting.

    Raises:
        ValueError: it is not 32 bytes in base64.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"must be {KEY_BYTES} bytes in base64")
    return key


def _row(key_id: UUID, customer_id: UUID) -> bytes:
    return b"key" + key_id.bytes + customer_id.bytes


def _id_of(master_key: bytes) -> str:
    """A name that tells nothing of the key."""
    return _derived(master_key, "name of the master key")[:8].hex()


def _derived(master_key: bytes, use: str) -> bytes:
    return hmac.digest(master_key, f"orderflow: {use}".encode(), "sha256")
