"""Shows where orders matched a search, in the text as it was given, accents and all.

The index holds folded words only. It marks those that matched; here they are found again in the view's own text.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, islice
from typing import Any

from orderflow.orders.v1 import queries_pb2, views_pb2
from read_models.orders_index import searched_texts
from read_models.text import fold_text

_BEGIN, _END = "<", ">"  # folding leaves neither
_FIELD = "search_text"
_MOST_ANALYZED = 999_999
"""Characters; of an order with more (Elasticsearch would refuse the whole search) only these are shown."""
REQUEST: Mapping[str, Any] = {
    "highlight": {
        "fields": {_FIELD: {"number_of_fragments": 0}},
        "pre_tags": [_BEGIN],
        "post_tags": [_END],
        "max_analyzed_offset": _MOST_ANALYZED,
    }
}
"""What a search asks Elasticsearch for, to be shown here."""


def marked_texts(hit: Mapping[str, Any]) -> Sequence[str]:
    """The folded texts of a hit that hold something that matched, with marks around it."""
    marked: Sequence[str] = hit.get("highlight", {}).get(_FIELD, ())
    return marked


def highlights(view: views_pb2.OrderView, marked: Sequence[str]) -> list[queries_pb2.OrderHighlight]:
    """Where the view matched, field by field; the same text of the same field comes once."""
    by_text = {_unmarked(each): each for each in marked}
    found = dict.fromkeys(searched_texts(view))
    return [
        queries_pb2.OrderHighlight(order_id=view.order_id, field=field, segments=_segments(text, by_text[folded]))
        for field, text in found
        if (folded := fold_text(text)) in by_text
    ]


def _segments(text: str, marked: str) -> Iterator[queries_pb2.HighlightSegment]:
    """The text in pieces that matched or did not; as one that did where its words cannot be told apart."""
    words = iter(_words(marked))
    folded = [(piece, fold_text(piece).split()) for piece in _pieces(text)]
    matches = [[matched for _, matched in islice(words, len(inside))] for _, inside in folded]
    pieces = [(piece, any(matched)) for (piece, _), matched in zip(folded, matches, strict=True)]
    if [word for _, inside in folded for word in inside] != [word for word, _ in _words(marked)]:
        pieces = [(text, True)]
    for matched, group in groupby(pieces, key=lambda piece: piece[1]):
        yield queries_pb2.HighlightSegment(text="".join(piece for piece, _ in group), matched=matched)


def _words(marked: str) -> Iterator[tuple[str, bool]]:
    """Each word, and whether something of it is marked; a mark may reach over several words."""
    marked_before = False
    for word in marked.split(" "):
        opened = marked_before or _BEGIN in word
        yield _unmarked(word), opened
        marked_before = opened and word.rfind(_END) <= word.rfind(_BEGIN)


def _pieces(text: str) -> Iterator[str]:
    """The text cut where words begin and end."""
    for _, characters in groupby(text, key=_is_of_a_word):
        yield "".join(characters)


@lru_cache(maxsize=4096)
def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or fold_text(f"a{character}a") != "a a"


def _unmarked(text: str) -> str:
    return text.replace(_BEGIN, "").replace(_END, "")
