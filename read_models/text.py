"""Text made comparable: the same for what is indexed and for what is searched, so that both meet."""

import re
import unicodedata
from itertools import takewhile

_FIRST_ACCENT, _LAST_ACCENT = "\u0300", "\u036f"
_WITHOUT_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "\u0131": "i"}
)
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_NEITHER_LETTERS_NOR_DIGITS = re.compile(r"[\W_]+")
_VARIATION_SELECTORS = ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef")


def fold_text(text: str) -> str:
    """The text's words, with one blank between them, without case, accents and compatibility forms.

    "Łódź" and "LODZ" become the same. Words are of letters and digits, with the marks that belong to them; all other
    characters separate them, but for invisible ones (a soft hyphen, a joiner), which are dropped.

    Only the accents of Latin, Greek and Cyrillic (the block Combining Diacritical Marks) are dropped: in other
    scripts a combining mark makes another letter, as in Japanese or Hindi. Strokes and ligatures, which Unicode
    does not decompose, are replaced as Lucene's ASCII folding does.
    """
    if not text.isascii():  # word by word, since most words are, and need far less work
        text = " ".join(word if word.isascii() else _fold(word) for word in text.split())
    return " ".join(text.translate(_ASCII).split())


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(character for character in decomposed if not _FIRST_ACCENT <= character <= _LAST_ACCENT)
    folded = bare.casefold().translate(_WITHOUT_STROKES)
    return unicodedata.normalize("NFKC", _NEITHER_LETTERS_NOR_DIGITS.sub(_between, folded).strip())


def _between(run: re.Match[str]) -> str:
    """What becomes of characters that are neither letters nor digits: marks of the letter before stay."""
    if run[0].isascii():  # nearly always, and faster
        return " "
    visible = [each for each in run[0] if not _is_invisible(each)]
    marks = "".join(takewhile(_is_mark, visible)) if run.start() else ""
    return marks if len(marks) == len(visible) else f"{marks} "


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or any(
        first <= character <= last for first, last in _VARIATION_SELECTORS
    )
