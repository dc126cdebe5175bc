"""The syntax of `order_by`."""

import pytest

from query_service.ordering import BEST_FIRST, BY_SKU, NEWEST_FIRST, ORDERS, STOCK
from read_models.orders_index import index_body
from service_kit.errors import InvalidArgument


@pytest.mark.parametrize(
    ("order_by", "sort"),
    [
        ("create_time", [{"create_time_us": "asc"}, {"order_id": "asc"}]),
        ("create_time desc", [{"create_time_us": "desc"}, {"order_id": "desc"}]),
        ("  update_time   asc ", [{"update_time_us": "asc"}, {"order_id": "asc"}]),
        (
            "total_amount desc,create_time asc",
            [{"total_e4": "desc"}, {"create_time_us": "asc"}, {"order_id": "desc"}],
        ),
    ],
)
def test_fields_become_sort_keys_and_the_order_id_breaks_ties(order_by: str, sort: list[dict[str, str]]) -> None:
    assert ORDERS.parse(order_by, NEWEST_FIRST).to_sort() == sort


@pytest.mark.parametrize("order_by", ["", "   "])
def test_an_empty_order_is_the_default(order_by: str) -> None:
    assert ORDERS.parse(order_by, BEST_FIRST) is BEST_FIRST


@pytest.mark.parametrize("order_by", ["customer_name", "order_id", "_score", "create_time desc, create_time", "create"])
def test_other_fields_and_fields_that_come_twice_are_refused(order_by: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ORDERS.parse(order_by, NEWEST_FIRST)
    assert [each.field for each in refused.value.violations] == ["order_by"]


@pytest.mark.parametrize(
    ("order_by", "stable"), [("create_time", True), ("update_time", False), ("create_time, total_amount", False)]
)
def test_only_the_time_of_creation_never_changes(order_by: str, stable: bool) -> None:  # noqa: FBT001
    assert ORDERS.parse(order_by, BEST_FIRST).is_stable is stable
    assert not BEST_FIRST.is_stable


@pytest.mark.parametrize(("order_by", "relative"), [("", True), ("update_time", False), ("create_time", False)])
def test_only_a_place_by_relevance_depends_on_what_else_there_is(order_by: str, relative: bool) -> None:  # noqa: FBT001
    assert ORDERS.parse(order_by, BEST_FIRST).is_relative is relative


def test_orders_lie_in_the_index_newest_first_so_that_a_page_of_them_costs_the_same_however_many_there_are() -> None:
    lie = index_body()["settings"]["index"]["sort"]
    assert [{field: order} for field, order in zip(lie["field"], lie["order"], strict=True)] == NEWEST_FIRST.to_sort()


def test_stock_is_sorted_by_sku_which_never_changes_unless_asked_otherwise() -> None:
    assert BY_SKU.is_stable
    assert STOCK.parse("available desc", BY_SKU).to_sort() == [{"available": "desc"}, {"sku": "desc"}]
    assert not STOCK.parse("sku, available", BY_SKU).is_stable
    with pytest.raises(InvalidArgument):
        STOCK.parse("total_amount", BY_SKU)
