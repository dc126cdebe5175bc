"""What a search's text asks for: words, phrases in quotes, and what a minus excludes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from read_models.text import fold_text
from service_kit.errors import InvalidArgument

_FIELD = "search_text"
_MOST_WORDS = 50
_FORGIVEN = ((8, 2), (4, 1))
"""From how many letters on how many typing errors are forgiven: shorter words resemble too many others."""
_FORGIVEN_SCORE, _BEGINNING_SCORE = 0.1, 1.0
"""For words that are only similar, or only begin alike; a word that is really there scores both and its own."""
_ALONE = re.compile("[\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
"""Ideographs and hiragana, each of which Elasticsearch takes for a word of its own."""
_QUOTES = str.maketrans("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '""')
_PART = re.compile(r'(?<!\S)(?P<minus>-?)"(?P<phrase>[^"]*)"|(?<!\S)-(?P<excluded>[^\s"]+)|(?P<words>[^\s"]+|")')

Condition = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchText:
    """A parsed text; all parts are folded.

    Args:
        words: all of which must be found, the last at least as the beginning of one.
        phrases: each must be found, its words next to one another in one field.
        excluded: words and phrases, none of which may be found.
        is_blank: whether the text was empty, so that it excludes nothing.
    """

    words: Sequence[str]
    phrases: Sequence[str]
    excluded: Sequence[str]
    is_blank: bool

    @property
    def is_positive(self) -> bool:
        """True when something must be found, so that it can be shown where."""
        return bool(self.words or self.phrases)

    def conditions(self) -> Condition:
        """The clauses of a `bool` query of Elasticsearch."""
        if not (self.is_positive or self.excluded):  # what holds no word finds nothing, not everything
            return {} if self.is_blank else {"must": [{"match_none": {}}]}
        *words, last = self.words or ("",)
        found = [_word(each) for each in words] + ([_word(last, _beginning(last))] if last else [])
        return {
            "must": found + [_phrase(each) for each in self.phrases],
            "must_not": [_phrase(each) for each in self.excluded],
        }


def parse(text: str) -> SearchText:
    """What the text asks for. A quote or minus that makes no phrase or exclusion separates words, as others do.

    Raises:
        InvalidArgument: naming `query`; it holds too many words.
    """
    words: list[str] = []
    phrases: list[str] = []
    excluded: list[str] = []
    for part in _PART.finditer(text.translate(_QUOTES)):
        if part["words"]:
            words += fold_text(part["words"]).split()
        elif folded := fold_text(part["phrase"] or part["excluded"] or ""):
            (excluded if part["minus"] or part["excluded"] else phrases).append(folded)
    count = sum(map(_word_count, (*words, *phrases, *excluded)))
    if count > _MOST_WORDS:
        raise InvalidArgument.of("query", f"holds {count} words; at most {_MOST_WORDS} are looked for")
    return SearchText(tuple(words), tuple(phrases), tuple(excluded), is_blank=not text.strip())


def _word_count(folded: str) -> int:
    """How many words Elasticsearch looks for."""
    return len(_ALONE.sub(" x ", folded).split())


def _word(word: str, *more: Condition) -> Condition:
    return {"bool": {"should": [_match(word), *more, *_similar(word)]}}


def _similar(word: str) -> Iterator[Condition]:
    """The word with typing errors; not where each character tells: in ids, numbers, and what is written without words.

    With one error every ideograph is similar to every other.
    """
    if any(character.isdigit() for character in word) or _ALONE.search(word):
        return
    for length, errors in _FORGIVEN:
        if len(word) >= length:
            yield {"constant_score": {"filter": _match(word, fuzziness=errors), "boost": _FORGIVEN_SCORE}}
            return


def _beginning(word: str) -> Condition:
    beginning = {"match_bool_prefix": {_FIELD: {"query": word, "operator": "and"}}}
    return {"constant_score": {"filter": beginning, "boost": _BEGINNING_SCORE}}


def _match(word: str, **more: Any) -> Condition:
    """Elasticsearch takes some scripts' words for several, all of which must be there."""
    return {"match": {_FIELD: {"query": word, "operator": "and", **more}}}


def _phrase(phrase: str) -> Condition:
    return {"match_phrase": {_FIELD: phrase}}
