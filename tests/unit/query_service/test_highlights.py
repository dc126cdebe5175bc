"""Where an order matched, shown in its own text."""

import pytest

from orderflow.orders.v1.views_pb2 import OrderView
from query_service.highlights import highlights
from read_models.text import fold_text


def _shown(name: str, marked: str) -> str:
    (highlight,) = highlights(OrderView(customer_name=name), [marked])
    return "".join(f"[{each.text}]" if each.matched else each.text for each in highlight.segments)


@pytest.mark.parametrize(
    ("name", "marked", "shown"),
    [
        ("Zoë O'Brian", "zoe o <brian>", "Zoë O'[Brian]"),
        ("  Zoë!  Łódź? ", "<zoe> <lodz>", "  [Zoë]!  [Łódź]? "),
        ("Red lamp, green", "<red lamp> green", "[Red] [lamp], green"),
        ("a b c d", "<a> b <c d>", "[a] b [c] [d]"),
        ("a_b<c>", "a <b> c", "a_[b]<c>"),
        ("Zo\u0308\u00ade x", "<zoe> x", "[Zo\u0308\u00ade] x"),
        ("हिन्दी ガキ", "<हिन्दी> ガキ", "[हिन्दी] ガキ"),
        ("茶壶 Tea", "<茶>壶 tea", "[茶壶] Tea"),
        ("½ cup red", "<1> 2 cup <red>", "[½] cup [red]"),
        ("3½ \N{DEGREE CELSIUS}", "<31> 2 c", "[3½] \N{DEGREE CELSIUS}"),
    ],
)
def test_what_matched_is_shown_as_it_was_spelled(name: str, marked: str, shown: str) -> None:
    assert _shown(name, marked) == shown


def test_a_text_whose_words_cannot_be_told_apart_matched_as_a_whole() -> None:
    odd = "x\u0300\u20d0\u200dy½z"
    folded = fold_text(odd)
    whole = _shown(odd, f"<{folded.split()[0]}>{folded.removeprefix(folded.split()[0])}")
    assert whole.replace("[", "").replace("]", "") == odd


def test_a_text_that_two_fields_share_is_shown_in_both_and_once_each() -> None:
    view = OrderView(order_id="x", customer_name="Tea", item_names=["TEA", "TEA", "Téa"])
    assert [(each.field, each.segments[0].text) for each in highlights(view, ["<tea>"])] == [
        ("customer_name", "Tea"),
        ("item_names", "TEA"),
        ("item_names", "Téa"),
    ]
