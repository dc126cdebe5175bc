"""Resume tokens can be read by whoever has the key, for their own query, for a while."""

import re

import pytest
from hypothesis import given, strategies

from orderflow.orders.v1.resume_token_pb2 import ResumeTokenContents
from query_service.resume_token import ResumeTokens
from service_kit.consistency_token import TokenInvalid

_CONTENTS = ResumeTokenContents(query_digest=b"query", sort_values=["1", "2.5"], last_order_id="id", remaining=7)
_TOKENS = ResumeTokens("a key of sixteen", seconds=60)


def test_a_token_says_what_was_put_in() -> None:
    assert ResumeTokens("a key of sixteen", seconds=60).read(_TOKENS.issue(_CONTENTS), b"query") == _CONTENTS


@given(strategies.binary(), strategies.text())
def test_a_token_is_url_safe(digest: bytes, pit_id: str) -> None:
    contents = ResumeTokenContents(query_digest=digest, pit_id=pit_id)
    token = _TOKENS.issue(contents)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token)
    assert _TOKENS.read(token, digest) == contents


@pytest.mark.parametrize(
    ("reader", "digest"),
    [
        (ResumeTokens("another long key", seconds=60), b"query"),
        (ResumeTokens("a key of sixteen", seconds=-1), b"query"),
        (_TOKENS, b"another query"),
    ],
    ids=["another-key", "expired", "another-query"],
)
def test_a_token_is_refused_by_others_later_and_elsewhere(reader: ResumeTokens, digest: bytes) -> None:
    with pytest.raises(TokenInvalid) as refused:
        reader.read(_TOKENS.issue(_CONTENTS), digest)
    assert [each.field for each in refused.value.violations] == ["resume_token"]


@given(strategies.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        _TOKENS.read(text, b"query")


@given(strategies.data())
def test_a_token_with_one_character_changed_is_refused(data: strategies.DataObject) -> None:
    token = _TOKENS.issue(_CONTENTS)
    place = data.draw(strategies.integers(0, len(token) - 1))
    other = data.draw(strategies.characters(codec="ascii").filter(lambda each: each != token[place]))
    with pytest.raises(TokenInvalid):
        _TOKENS.read(token[:place] + other + token[place + 1 :], b"query")


def test_a_token_is_accepted_in_the_spelling_in_which_it_was_issued_only() -> None:
    token = _TOKENS.issue(_CONTENTS)  # the last character stands for four bits of six
    others = [token[:-1] + chr(code) for code in range(128) if chr(code) != token[-1]]
    others += [token + "=", token + "\n", token[:-1] + "!" + token[-1]]
    for other in others:
        with pytest.raises(TokenInvalid):
            _TOKENS.read(other, b"query")
