"""Consistency tokens: opaque, URL-safe, and refused where this system did not make them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.common.v1.consistency_pb2 import ConsistencyTokenContents
from service_kit import consistency_token
from service_kit.consistency_token import TokenInvalid

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CONTENTS = st.builds(
    ConsistencyTokenContents,
    aggregate_type=st.sampled_from(["order", "customer", "stock_item"]),
    aggregate_id=st.uuids().map(str),
    version=st.integers(1, 2**63 - 1),
    traceparent=st.sampled_from(["", TRACEPARENT]),
)
TOKEN = consistency_token.encode(ConsistencyTokenContents(aggregate_type="order", aggregate_id="~?>", version=1))


@given(CONTENTS)
def test_a_token_survives_the_way_to_the_client_and_back(contents: ConsistencyTokenContents) -> None:
    token = consistency_token.encode(contents)
    assert consistency_token.decode(token) == contents
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert len(token) <= 2048, "the contract's longest token"


@given(st.text() | st.text("ABCabc019-_+/=") | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_garbage_is_refused_or_was_a_token(garbage: str) -> None:
    try:
        contents = consistency_token.decode(garbage)
    except TokenInvalid:
        return
    assert consistency_token.encode(contents) == garbage


@given(CONTENTS, st.data())
def test_a_token_that_was_cut_or_changed_never_breaks_the_server(
    contents: ConsistencyTokenContents, data: st.DataObject
) -> None:
    token = consistency_token.encode(contents)
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + data.draw(st.sampled_from(["", "A", "_", "=", "é", "\0", "\ud800"])) + token[at + 1 :]
    try:
        again = consistency_token.decode(changed)
    except TokenInvalid:
        return
    assert consistency_token.encode(again) == changed


@pytest.mark.parametrize(
    "token",
    [
        "",
        "=",
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN.replace("-", "+").replace("_", "/"),
        "AAAA",
        "a",
        "é",
        "\ud800",
    ],
)
def test_what_is_no_token_is_refused_with_the_field(token: str) -> None:
    assert token != TOKEN
    with pytest.raises(TokenInvalid) as refusal:
        consistency_token.decode(token, field="consistency_tokens[3]")
    assert refusal.value.reason_name == "TOKEN_INVALID"
    assert [each.field for each in refusal.value.violations] == ["consistency_tokens[3]"]


@pytest.mark.parametrize("version", [0, -1])
def test_a_token_without_a_version_is_refused(version: int) -> None:
    token = consistency_token.encode(ConsistencyTokenContents(aggregate_id="o", version=version))
    with pytest.raises(TokenInvalid):
        consistency_token.decode(token)
