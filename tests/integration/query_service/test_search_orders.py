"""SearchOrders: what is found by which words, in which order, and how it is counted."""

from typing import Any

import pytest

from orderflow.orders.v1 import queries_pb2
from orderflow.orders.v1.order_pb2 import ORDER_STATUS_CONFIRMED, ORDER_STATUS_PENDING
from orderflow.orders.v1.views_pb2 import OrderView
from read_models import orders_index
from tests.integration.query_service.client import Queries
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.views import CREATE_TIME_US, an_order, euros

_ORDER_ID = "3f0c9b1e-7c1d-4f7b-9a55-0c6d2f8e4b10"


def _a_shop() -> dict[str, OrderView]:
    return {
        "zoe": an_order(
            order_id=_ORDER_ID,
            customer_name="Zoë Ångström",
            customer_email="zoe@example.com",
            item_names=["Crème brûlée torch", "Straße map"],
        ),
        "jose": an_order(
            customer_name="José Müller", customer_email="jose.mueller@example.org", item_names=["Creme puff", "Lamp"]
        ),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"zoe", "jose"}),
        ("   ", {"zoe", "jose"}),
        ("creme", {"zoe", "jose"}),
        ("CRÈME brulee", {"zoe"}),
        ("zoe angstrom", {"zoe"}),
        ("ANGSTRÖM zoë", {"zoe"}),
        ("strasse", {"zoe"}),
        ("STRASSE", {"zoe"}),
        ("cre", {"zoe", "jose"}),
        ("lamp mul", {"jose"}),
        ("mul lamp", set()),
        ("creme torch lamp", set()),
        ("jose.mueller@example.org", {"jose"}),
        ("zoe@EXAMPLE", {"zoe"}),
        (_ORDER_ID, {"zoe"}),
        (_ORDER_ID.upper(), {"zoe"}),
        (_ORDER_ID[:11], {"zoe"}),
        ('torch" OR (lamp) *:* {"query"}', set()),
        ("---", set()),
        ("❤", set()),
    ],
)
async def test_orders_are_found_by_all_words_the_last_as_a_beginning(
    query: str, found: set[str], read_model: ReadModel, queries: Queries
) -> None:
    shop = _a_shop()
    await read_model.put(*shop.values())
    chunks = await queries.search(query)
    assert {order.order_id for chunk in chunks for order in chunk.orders} == {shop[name].order_id for name in found}
    assert chunks[0].total == len(found)
    assert chunks[0].HasField("freshness")


@pytest.mark.parametrize(
    "query",
    [
        *("under", "score", "under_score", "UNDER-SC", "red", "blue", "red:blue", "red/bl"),
        *("brian", "o'brian", "O\u2019Bri"),
        *("first", "last", "first_last@example.com", "last@exam", "example.com", "com"),
        *(
            "teap",
            "teap?",
            "teap*",
            "teap.",
            "teap!",
            "teap-",
            "teap'",
            "teap,",
            "(teap",
            '"teap',
            'teap"',
            "- teap",
            '"" teap',
            "teap ❤",
            "teap\xad",
        ),
        *("20", "20°", "2.5", "2.5l"),
    ],
)
async def test_punctuation_separates_words_and_does_nothing_else(
    query: str, read_model: ReadModel, queries: Queries
) -> None:
    order = an_order(
        customer_name="Conan O'Brian",
        customer_email="first_last@example.com",
        item_names=["Teapot, 2.5l (20°)", "under_score red:blue"],
    )
    other = an_order(order_id="c2f09a7e-5d3b-4a46-9ee1-d8b47f60c355", item_names=["Lamp"])  # no part begins with 20
    await read_model.put(order, other)
    (chunk,) = await queries.search(query)
    assert [each.order_id for each in chunk.orders] == [order.order_id]


_TEA = {
    "green": an_order(
        order_id="a7c3de52-9b1f-4e88-b0c4-f2d6835ea901",  # no part begins as a word that is looked for
        customer_name="Zoë Ångström",
        item_names=["Green tea", "Red lamp"],
        tracking_number="TRACK-00417",
        address_full="Ada Byron, Rue de l'Église 7, 75011 Paris, FR",
    ),
    "black": an_order(
        order_id="c2f09a7e-5d3b-4a46-9ee1-d8b47f60c355",
        customer_name="José Müller",
        item_names=["Black tea", "Green lamp"],
        tracking_number="DHL-99",
    ),
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("track-00417", {"green"}),
        ("TRACK 00417", {"green"}),
        ("dhl", {"black"}),
        ("eglise paris 75011", {"green"}),
        ("byron", {"green"}),
        ('"green tea"', {"green"}),
        ('"GRÉEN  tea"', {"green"}),
        ("\u201cgreen tea\u201d", {"green"}),
        ('"green lamp"', {"black"}),
        ('"tea green"', set()),
        ('"tea red"', set()),  # two fields
        ('"green te"', set()),
        ('"green tea" lam', {"green"}),
        ('tea "red lamp"', {"green"}),
        ("tea -black", {"green"}),
        ("-black tea", {"green"}),
        ('tea -"green lamp"', {"green"}),
        ('-"green tea"', {"black"}),
        ("tea -blac", {"green", "black"}),
        ("tea -tea", set()),
        ("-red -black", set()),
        ("green-tea", {"green", "black"}),
        ("angstorm", {"green"}),
        ("ngstrom", {"green"}),
        ("angstroom", {"green"}),
        ("ankstrem", {"green"}),
        ("ankstrims", set()),  # three errors
        ("muler", {"black"}),
        ("gren lmap", {"green", "black"}),
        ("tae", set()),  # too short
        ("track-00418", set()),  # numbers are not forgiven
        ("a b c d e f g h", set()),
    ],
)
async def test_phrases_exclusions_and_typing_errors(
    query: str, found: set[str], read_model: ReadModel, queries: Queries
) -> None:
    await read_model.put(*_TEA.values())
    (chunk,) = await queries.search(query)
    assert {order.order_id for order in chunk.orders} == {_TEA[name].order_id for name in found}
    assert chunk.total == len(found)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("绿茶", {"tea"}),
        ("绿茶茶壶", {"tea"}),
        ("红酒杯子", {"cup"}),
        ("红酒茶壶", set()),
        ("みどりのおちゃ", {"hiragana"}),
        ("ミドリ", {"katakana"}),
        ("초록 찻주전자", {"hangul"}),
        ("초록 찻주전저", {"hangul"}),
        ("茶" * 50, {"tea"}),
    ],
)
async def test_words_of_scripts_without_blanks_are_found_and_taken_exactly(
    query: str, found: set[str], read_model: ReadModel, queries: Queries
) -> None:
    names = {
        "tea": "绿茶茶壶",
        "cup": "红酒杯子",
        "hiragana": "みどりのおちゃ",
        "katakana": "ミドリ",
        "hangul": "초록 찻주전자",
    }
    shop = {name: an_order(item_names=[text]) for name, text in names.items()}
    await read_model.put(*shop.values())
    (chunk,) = await queries.search(query)
    assert {order.order_id for order in chunk.orders} == {shop[name].order_id for name in found}


async def test_what_is_there_as_typed_comes_before_beginnings_and_those_before_errors(
    read_model: ReadModel, queries: Queries
) -> None:
    error, beginning, exact = (an_order(item_names=[each]) for each in ("Lamb", "Lampshade", "Lamp"))
    await read_model.put(error, beginning, exact, *(an_order(item_names=["Lamp", "Lamp"]) for _ in range(5)))
    (chunk,) = await queries.search("lamp")
    assert chunk.total == 8
    assert [each.order_id for each in chunk.orders[-3:]] == [exact.order_id, beginning.order_id, error.order_id]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("zoe", {("customer_name", "[Zoë] Ångström")}),
        ("angstorm", {("customer_name", "Zoë [Ångström]")}),
        ("egl", {("address_full", "Ada Byron, Rue de l'[Église] 7, 75011 Paris, FR")}),
        ("00417", {("tracking_number", "TRACK-[00417]")}),
        ('"red lamp"', {("item_names", "[Red] [lamp]")}),
        ("tea -black", {("item_names", "Green [tea]")}),
        ("sku-1", {("items.sku", "[SKU]-0"), ("items.sku", "[SKU]-[1]")}),
        ("-black", set()),
        ("", set()),
    ],
)
async def test_each_order_shows_where_it_matched_in_its_own_spelling(
    query: str, shown: set[tuple[str, str]], read_model: ReadModel, queries: Queries
) -> None:
    order = _TEA["green"]
    await read_model.put(order)
    (chunk,) = await queries.search(query)
    assert [each.order_id for each in chunk.orders] == [order.order_id]
    assert {each.order_id for each in chunk.highlights} <= {order.order_id}
    assert {(each.field, _marked(each)) for each in chunk.highlights} == shown


def _marked(highlight: queries_pb2.OrderHighlight) -> str:
    return "".join(f"[{each.text}]" if each.matched else each.text for each in highlight.segments)


async def test_highlights_come_with_their_orders_chunk_by_chunk(read_model: ReadModel, queries: Queries) -> None:
    await read_model.put(*(an_order() for _ in range(250)))
    for chunk in await queries.search("tea", limit=250):
        assert [each.order_id for each in chunk.highlights] == [each.order_id for each in chunk.orders]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_an_order_of_more_text_than_can_be_highlighted_is_found_all_the_same(
    read_model: ReadModel, queries: Queries
) -> None:
    large = an_order(item_names=["Red lamp", *(f"{chr(0xFDFA) * 199} lamp" for _ in range(500))])
    small = an_order(item_names=["Green lamp"])
    assert sum(map(len, orders_index.document(large, project_time_us=1)["search_text"])) > 1_000_000
    await read_model.put(large, small)
    chunks = await queries.search("lamp")
    assert {each.order_id for chunk in chunks for each in chunk.orders} == {large.order_id, small.order_id}
    shown = {(each.order_id, _marked(each)) for chunk in chunks for each in chunk.highlights}
    assert {(large.order_id, "Red [lamp]"), (small.order_id, "Green [lamp]")} <= shown


async def test_the_best_match_comes_first(read_model: ReadModel, queries: Queries) -> None:
    longer, exact, twice = (
        an_order(item_names=["Teapot"]),
        an_order(item_names=["Tea", "Lamp"]),
        an_order(item_names=["Tea", "Green tea"]),
    )
    await read_model.put(longer, exact, twice)
    (chunk,) = await queries.search("tea")
    assert [each.order_id for each in chunk.orders] == [twice.order_id, exact.order_id, longer.order_id]


async def test_what_is_found_can_be_sorted_and_limited_and_is_counted_all_the_same(
    read_model: ReadModel, queries: Queries
) -> None:
    orders = [an_order(create_time_us=CREATE_TIME_US + number) for number in range(250)]
    await read_model.put(*orders)
    chunks = await queries.search("tea", order_by="create_time")
    assert [each.order_id for chunk in chunks for each in chunk.orders] == [each.order_id for each in orders[:100]]
    assert [chunk.HasField("total") for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert chunks[0].total == 250
    assert sum(len(chunk.orders) for chunk in await queries.search("tea", limit=240)) == 240


async def test_facets_count_everything_found_and_only_that(read_model: ReadModel, queries: Queries) -> None:
    june, july = 1_780_300_000_000_000, 1_783_000_000_000_000
    await read_model.put(
        an_order(create_time_us=july, status=ORDER_STATUS_PENDING, customer_id="0190c0de-0000-7000-8000-00000000000a"),
        an_order(create_time_us=june, status=ORDER_STATUS_CONFIRMED),
        an_order(create_time_us=july, status=ORDER_STATUS_CONFIRMED),
        an_order(create_time_us=july, item_names=["Lamp"]),
    )
    facets = [queries_pb2.FACET_STATUS, queries_pb2.FACET_CURRENCY, queries_pb2.FACET_MONTH, queries_pb2.FACET_CUSTOMER]
    (chunk,) = await queries.search("tea", facets=facets, limit=100)
    counted: dict[Any, list[tuple[str, int]]] = {
        counts.facet: [(bucket.value, bucket.order_count) for bucket in counts.buckets] for counts in chunk.facet_counts
    }
    assert list(counted) == facets
    assert counted[queries_pb2.FACET_STATUS] == [("CONFIRMED", 2), ("PENDING", 1)]
    assert counted[queries_pb2.FACET_CURRENCY] == [("EUR", 3)]
    assert counted[queries_pb2.FACET_MONTH] == [("2026-06", 1), ("2026-07", 2)]
    assert [count for _, count in counted[queries_pb2.FACET_CUSTOMER]] == [2, 1]
    assert [counts.other_count for counts in chunk.facet_counts] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("count_limit", "total", "is_at_least"),
    [(0, 30, False), (31, 30, False), (30, 30, False), (29, 29, True), (1, 1, True)],
)
async def test_a_total_is_counted_as_far_as_is_asked_for_and_says_so(
    count_limit: int,
    total: int,
    is_at_least: bool,  # noqa: FBT001
    read_model: ReadModel,
    queries: Queries,
) -> None:
    await read_model.put(*(an_order() for _ in range(30)))
    asked = {"count_limit": count_limit, "facets": [queries_pb2.FACET_STATUS]}
    for order_by in ("", "create_time"):
        (chunk,) = await queries.search("tea", order_by=order_by, **asked)
        assert (len(chunk.orders), chunk.total, chunk.total_is_at_least) == (30, total, is_at_least)
        assert [bucket.order_count for bucket in chunk.facet_counts[0].buckets] == [30]


async def test_a_filter_narrows_a_search(read_model: ReadModel, queries: Queries) -> None:
    cheap, dear = an_order(total_amount=euros(10)), an_order(total_amount=euros(99))
    await read_model.put(cheap, dear)
    (chunk,) = await queries.search("tea", filter=queries_pb2.OrderFilter(min_total=euros(50)))
    assert [each.order_id for each in chunk.orders] == [dear.order_id]
    assert chunk.total == 1
