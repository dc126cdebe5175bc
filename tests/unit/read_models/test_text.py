"""Folding of text for search."""

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
    ],
)
def test_case_accents_and_compatibility_forms_go_and_letters_stay(text: str, folded: str) -> None:
    assert fold_text(text) == folded


@given(strategies.text())
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(strategies.text())
def test_case_makes_no_difference(text: str) -> None:
    assert fold_text(text.upper()) == fold_text(text.upper().lower())
