"""Which queries may continue one another, and how words are looked for."""

import pytest

from orderflow.orders.v1.queries_pb2 import FACET_STATUS, ListOrdersRequest, OrderFilter, SearchOrdersRequest
from query_service import query
from query_service.order_query import list_query, search_query, summaries_digest, watch_digest

_ID = "3f0c9b1e-7c1d-4f7b-9a55-0c6d2f8e4b10"


@pytest.mark.parametrize(
    "other",
    [
        SearchOrdersRequest(query="TEA"),
        SearchOrdersRequest(query=" téa "),
        SearchOrdersRequest(query="(tea?)"),
        SearchOrdersRequest(query="tea", limit=5),
        SearchOrdersRequest(query="tea", facets=[FACET_STATUS]),
        SearchOrdersRequest(query="tea", count_limit=7),
        SearchOrdersRequest(query="tea", consistency_tokens=["x"]),
        SearchOrdersRequest(query="tea", resume_token="x"),
    ],
)
def test_what_finds_the_same_in_the_same_order_may_continue(other: SearchOrdersRequest) -> None:
    assert search_query(other).digest == search_query(SearchOrdersRequest(query="tea")).digest


def test_whatever_finds_something_else_or_in_another_order_may_not() -> None:
    digests = [
        list_query(ListOrdersRequest()).digest,
        list_query(ListOrdersRequest(order_by="create_time")).digest,
        list_query(ListOrdersRequest(filter=OrderFilter(customer_id=_ID))).digest,
        list_query(ListOrdersRequest(filter=OrderFilter(tracking_number=_ID))).digest,
        search_query(SearchOrdersRequest()).digest,
        search_query(SearchOrdersRequest(order_by="create_time desc")).digest,
        search_query(SearchOrdersRequest(query="create_time")).digest,
        search_query(SearchOrdersRequest(query="tea")).digest,
        search_query(SearchOrdersRequest(query="---")).digest,
        search_query(SearchOrdersRequest(query='"tea"')).digest,
        search_query(SearchOrdersRequest(query="-tea")).digest,
    ]
    assert len(set(digests)) == len(digests)


def test_another_caller_may_not_continue_either(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = OrderFilter(customer_id=_ID)

    def digests() -> list[bytes]:
        return [
            list_query(ListOrdersRequest()).digest,
            search_query(SearchOrdersRequest()).digest,
            watch_digest(asked),
            summaries_digest(asked),
        ]

    own = digests()
    monkeypatch.setattr(query, "_PRINCIPAL", b"somebody else")
    assert len({*own, *digests()}) == 2 * len(own)


def test_only_the_first_page_of_a_search_counts() -> None:
    query = search_query(SearchOrdersRequest(query="tea", facets=[FACET_STATUS]))
    assert query.first_request["track_total_hits"] is True
    assert list(query.first_request["aggs"]) == ["status"]
    assert query.request["track_total_hits"] is False
    assert "aggs" not in query.request
