"""The order's document of Elasticsearch."""

import base64
import hashlib
import json

import pytest
from google.type import money_pb2

from orderflow.orders.v1 import views_pb2
from read_models import orders, orders_index
from read_models.text import fold_text
from tests.unit.read_models.builders import CUSTOMER, ORDER, confirmed, created, customer, item, shipped

_SAMPLE = "Straße ﬁne O'Brian_first.last@example.com 3.50 Łódź \u00ad हिन्दी ガキ ❤"


def _view() -> views_pb2.OrderView:
    view = orders.evolve(None, created(item("SKU-1", "Crème brûlée")), 1)
    return orders.evolve(orders.evolve(orders.with_customer(view, customer(version=3)), confirmed(), 2), shipped(), 3)


def test_a_document_has_what_queries_need_and_the_view_itself() -> None:
    document = orders_index.document(_view(), project_time_us=42)
    assert document.pop("view") == base64.b64encode(_view().SerializeToString()).decode()
    assert document == {
        "order_id": ORDER,
        "customer_id": CUSTOMER,
        "status": "SHIPPED",
        "currency": "EUR",
        "total_e4": 200_000,
        "total_high": 0,
        "total_low": 200_000,
        "create_time_us": 1796083198123456,
        "update_time_us": 1796083204123456,
        "create_month": "2026-11",
        "tracking_number": "TRACK-1",
        "search_text": [
            ORDER.replace("-", " "),
            "zoe lukasz",
            "zoe example com",
            "creme brulee",
            "sku 1",
            "track 1",
            "zoe lukasz hauptstrasse 1 3 stock 10115 berlin de",
        ],
        "version": 3,
        "customer_version": 3,
        "enrichment": "COMPLETE",
        "project_time_us": 42,
    }


def test_documents_that_hold_something_else_have_another_number() -> None:
    words = orders_index.document(_view(), project_time_us=42)["search_text"]
    hashed = hashlib.sha256(f"{' '.join(words)} {fold_text(_SAMPLE)}".encode()).hexdigest()[:12]
    assert (orders_index.index_body()["mappings"]["_meta"]["documents"], hashed) == (4, "1884116985df"), (
        "raise _meta.documents in orders_index.json: what is indexed already has other words"
    )


def test_who_was_erased_is_found_by_nothing_personal() -> None:
    document = orders_index.document(
        orders.with_customer(_view(), customer(version=4, erased=True)), project_time_us=42
    )
    assert document["search_text"] == [ORDER.replace("-", " "), "creme brulee", "sku 1", "track 1"]
    assert document["enrichment"] == "ERASED"


def test_the_view_comes_back_out_of_its_document() -> None:
    assert orders_index.view_of(orders_index.document(_view(), project_time_us=0)) == _view()


def test_the_mapping_has_exactly_the_fields_of_a_document() -> None:
    properties = orders_index.index_body()["mappings"]["properties"]
    assert set(properties) == set(orders_index.document(_view(), project_time_us=0))


@pytest.mark.parametrize(
    ("currency", "units", "nanos", "e4"),
    [
        ("EUR", 12, 340_000_000, 123_400),
        ("JPY", 1234, 0, 12_340_000),
        ("KWD", 1, 234_000_000, 12_340),
        ("HRK", 12, 340_000_000, 123_400),
        ("XAU", 12, 0, 120_000),
        ("EUR", 10**14, 990_000_000, 10**18 + 9_900),
    ],
)
def test_totals_compare_whatever_their_currency(currency: str, units: int, nanos: int, e4: int) -> None:
    event = created(total=money_pb2.Money(currency_code=currency, units=units, nanos=nanos))
    document = orders_index.document(orders.evolve(None, event, 1), project_time_us=0)
    assert document["total_e4"] == document["total_high"] * orders_index.TOTAL_PARTS + document["total_low"] == e4
    assert max(document["total_high"], document["total_low"]) <= 1.1 * 10**9


def test_even_a_view_of_no_creation_has_a_document() -> None:
    document = orders_index.document(orders.evolve(None, confirmed(), 1), project_time_us=0)
    assert json.loads(json.dumps(document)) == document
    assert document["create_month"] == "1970-01"
