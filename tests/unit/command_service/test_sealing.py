"""Sealed bytes open only as what they were sealed for, and only with their key."""

import base64
import uuid

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError

from command_service.personal_data.keys import Key
from command_service.personal_data.master_keys import MasterKeys, UnknownMasterKey
from command_service.personal_data.sealing import NotSealedSo, new_key
from command_service.personal_data.settings import PersonalDataSettings

ORDER, CUSTOMER, KEY_ID = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
CREATED = "orderflow.orders.v1.OrderCreated"
FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


def key(id_: uuid.UUID = KEY_ID, secret: bytes = FIRST) -> Key:
    return Key(id_, CUSTOMER, AESGCM(secret))


def test_what_was_sealed_opens() -> None:
    assert key().open(key().seal(b"Hauptstrasse 5", ORDER, CREATED), ORDER, CREATED) == b"Hauptstrasse 5"


def test_the_same_data_is_sealed_otherwise_each_time() -> None:
    assert len({key().seal(b"Hauptstrasse 5", ORDER, CREATED) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("opener", "order", "event_type"),
    [
        (key(), uuid.uuid4(), CREATED),
        (key(), ORDER, "orderflow.customers.v1.CustomerUpdated"),
        (key(uuid.uuid4()), ORDER, CREATED),
        (key(secret=SECOND), ORDER, CREATED),
    ],
    ids=["another order's", "another event's", "under another name of the key", "another key"],
)
def test_what_was_sealed_opens_nowhere_else(opener: Key, order: uuid.UUID, event_type: str) -> None:
    sealed = key().seal(b"Hauptstrasse 5", ORDER, CREATED)
    with pytest.raises(NotSealedSo):
        opener.open(sealed, order, event_type)


@pytest.mark.parametrize("index", [0, 1, 13, -1])
def test_no_byte_of_it_can_be_changed(index: int) -> None:
    sealed = bytearray(key().seal(b"Hauptstrasse 5", ORDER, CREATED))
    sealed[index] ^= 1
    with pytest.raises(NotSealedSo):
        key().open(bytes(sealed), ORDER, CREATED)


@pytest.mark.parametrize("length", range(30))
def test_what_is_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(NotSealedSo):
        key().open(key().seal(b"Hauptstrasse 5", ORDER, CREATED)[:length], ORDER, CREATED)


def test_a_wrapped_key_unwraps_in_its_own_row_only() -> None:
    master_keys, secret = MasterKeys(FIRST), new_key()
    wrapped = master_keys.wrap(secret, KEY_ID, CUSTOMER)
    assert secret not in wrapped
    assert master_keys.unwrap(wrapped, KEY_ID, CUSTOMER, master_keys.id) == secret
    for key_id, customer_id in [(uuid.uuid4(), CUSTOMER), (KEY_ID, uuid.uuid4())]:
        with pytest.raises(NotSealedSo):
            master_keys.unwrap(wrapped, key_id, customer_id, master_keys.id)


def test_a_former_master_key_unwraps_and_another_one_is_not_known() -> None:
    before, secret = MasterKeys(FIRST), new_key()
    wrapped = before.wrap(secret, KEY_ID, CUSTOMER)
    assert MasterKeys(SECOND, [FIRST]).unwrap(wrapped, KEY_ID, CUSTOMER, before.id) == secret
    with pytest.raises(UnknownMasterKey, match=before.id):
        MasterKeys(SECOND).unwrap(wrapped, KEY_ID, CUSTOMER, before.id)


def test_digests_have_a_key_of_their_own() -> None:
    assert len({FIRST, MasterKeys(FIRST).digest_key, MasterKeys(SECOND).digest_key}) == 3


@pytest.mark.parametrize("text", ["", "secret", "AAAA", base64.b64encode(bytes(31)).decode()])
@pytest.mark.parametrize("name", ["personal_data_master_key", "personal_data_former_master_keys"])
def test_a_master_key_is_32_bytes_in_base64(name: str, text: str) -> None:
    good = {
        "write_db_url": "postgresql://a:b@h/d",
        "personal_data_master_key": base64.b64encode(FIRST).decode(),
    }
    settings = PersonalDataSettings.model_validate(
        {**good, "personal_data_former_master_keys": good["personal_data_master_key"]}
    )
    assert list(settings.master_keys) == [MasterKeys(FIRST).id]
    if name == "personal_data_former_master_keys" and not text:
        return  # none is right
    with pytest.raises(ValidationError, match="32 bytes in base64"):
        PersonalDataSettings.model_validate({**good, name: text})
