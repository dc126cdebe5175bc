"""How a search's text is read."""

import pytest

from query_service.search_text import SearchText, parse
from service_kit.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "words", "phrases", "excluded"),
    [
        ("", (), (), ()),
        ("  ", (), (), ()),
        ("---", (), (), ()),
        ('-"" "-"', (), (), ()),
        ("Crème A* OR b", ("creme", "a", "or", "b"), (), ()),
        ('"Crème  brûlée!" torch', ("torch",), ("creme brulee",), ()),
        ('-"green tea" -Lamp', (), (), ("green tea", "lamp")),
        ("-o'brian", (), (), ("o brian",)),
        ('5"x7"', ("5", "x7"), (), ()),
        ('"open', ("open",), (), ()),
        ("green-tea - lamp", ("green", "tea", "lamp"), (), ()),
        ('"a"-b', ("b",), ("a",), ()),
    ],
)
def test_words_phrases_and_exclusions_are_told_apart(
    text: str, words: tuple[str, ...], phrases: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    assert parse(text) == SearchText(words, phrases, excluded, is_blank=not text.strip())


def test_fifty_words_are_looked_for_however_they_are_grouped_but_no_more() -> None:
    fifty = f'{" ".join("a" * 20)} "{" ".join("b" * 20)}" -"{" ".join("c" * 10)}"'
    assert len(parse(fifty).words) == 20
    with pytest.raises(InvalidArgument) as refusal:
        parse(f"{fifty} d")
    assert refusal.value.violations[0].field == "query"


@pytest.mark.parametrize(
    ("text", "most"), [("茶", 50), ("茶壶", 25), ("ひらがな", 12), ("カタカナ ", 50), ("한국어 ", 50), ("x茶", 25)]
)
def test_ideographs_and_hiragana_count_as_words(text: str, most: int) -> None:
    parse(text * most)
    with pytest.raises(InvalidArgument):
        parse(text * (most + 1))
