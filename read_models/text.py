"""Text made comparable: the same for what is indexed and for what is searched, so that both meet."""

import unicodedata

_FIRST_ACCENT, _LAST_ACCENT = "\u0300", "\u036f"
_WITHOUT_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "\u0131": "i"}
)


def fold_text(text: str) -> str:
    """The text without case, accents and compatibility forms: "Łódź" and "LODZ" become the same.

    Only the accents of Latin, Greek and Cyrillic (the block Combining Diacritical Marks) are dropped: in other
    scripts a combining mark makes another letter, as in Japanese or Hindi. Strokes and ligatures, which Unicode
    does not decompose, are replaced as Lucene's ASCII folding does.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(character for character in decomposed if not _FIRST_ACCENT <= character <= _LAST_ACCENT)
    return unicodedata.normalize("NFKC", bare.casefold().translate(_WITHOUT_STROKES))
