"""Folding of text for search."""

import unicodedata

import pytest
from hypothesis import given, strategies

from read_models.text import fold_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Zoë LUKASZ", "zoe lukasz"),
        ("Łódź", "lodz"),
        ("Straße", "strasse"),
        ("Ærø", "aero"),
        ("ΆΣΜΑ", "ασμα"),
        ("Ёлка", "елка"),
        ("İstanbul ılık", "istanbul ilik"),  # noqa: RUF001 -- the very letters that look alike
        ("ﬁne ＡＢＣ", "fine abc"),  # noqa: RUF001 -- likewise
        ("ガキ", "ガキ"),
        ("한국어", "한국어"),
        ("हिन्दी", "हिन्दी"),
        ("under_score red:blue", "under score red blue"),
        ("O'Brian mc\u2019donald", "o brian mc donald"),
        ("(teapot), 3.50 €/pc — first_last@example.com!", "teapot 3 50 pc first last example com"),
        ("tea\tpot\n", "tea pot"),
        ("tea\u00adpot tea\u200bpot", "teapot teapot"),
        ("葛\U000e0100城 ❤\ufe0f", "葛城"),
        ("می\u200cخوانم", "میخوانم"),  # noqa: RUF001 -- likewise
        ("\u094d - \u094d", ""),
        ("_ ? ❤ \u200b", ""),
    ],
)
def test_case_accents_and_compatibility_forms_go_and_letters_stay(text: str, folded: str) -> None:
    assert fold_text(text) == folded


@given(strategies.text())
def test_only_words_with_one_blank_between_them_are_left(text: str) -> None:
    words = fold_text(text).split(" ") if fold_text(text) else []
    assert all(word[0].isalnum() for word in words)
    assert {unicodedata.category(character)[0] for word in words for character in word} <= {"L", "M", "N"}


@given(strategies.text())
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(strategies.text())
def test_case_makes_no_difference(text: str) -> None:
    assert fold_text(text.upper()) == fold_text(text.upper().lower())


@given(strategies.text(), strategies.text())
def test_words_are_folded_alike_whatever_stands_beside_them(text: str, other: str) -> None:
    assert fold_text(f"{text} {other}").split() == fold_text(text).split() + fold_text(other).split()
