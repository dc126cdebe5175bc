"""Customers' orders in figures, counted and summed by Elasticsearch when asked for."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from opentelemetry import trace

from orderflow.orders.v1 import order_pb2, queries_pb2, views_pb2
from orderflow.orders.v1.resume_token_pb2 import ResumeTokenContents
from query_service import order_filter
from query_service.consistency import wanted_by
from query_service.deadline import Deadline
from query_service.index import Index, PointInTime
from query_service.order_filter import Condition
from query_service.order_query import summaries_digest
from query_service.points_in_time import PointsInTime
from query_service.resume_token import ResumeTokens
from read_models.money import of_ten_thousandths
from read_models.orders_index import TOTAL_PARTS, view_of

_CHUNK_CUSTOMERS = 100
_MOST_CURRENCIES = 300
"""More than ISO 4217 has."""


class GetCustomerSummary:
    """The use case GetCustomerSummary."""

    def __init__(self, points: PointsInTime, index: Index) -> None:
        self._points = points
        self._index = index

    async def __call__(
        self, request: queries_pb2.GetCustomerSummaryRequest, deadline: Deadline
    ) -> queries_pb2.GetCustomerSummaryResponse:
        """The figures, all zero for a customer without orders.

        Raises:
            ServiceError: each that the contract names for GetCustomerSummary.
        """
        trace.get_current_span().set_attribute("orderflow.query.type", "GetCustomerSummary")
        customer_id = request.customer_id.lower()
        wanted = wanted_by(request.consistency_tokens)
        async with self._points.showing(wanted, None, deadline, replaceable=True) as shown:
            admitted = [{"term": {"customer_id": customer_id}}]
            found = await _summaries(self._index, shown.point, admitted, after="", size=1, deadline=deadline)
        none = views_pb2.CustomerSummary(customer_id=customer_id)
        return queries_pb2.GetCustomerSummaryResponse(summary=found[0] if found else none, freshness=shown.freshness)


class ListCustomerSummaries:
    """The use case ListCustomerSummaries."""

    def __init__(self, points: PointsInTime, index: Index, tokens: ResumeTokens) -> None:
        self._points = points
        self._index = index
        self._tokens = tokens

    async def __call__(
        self, request: queries_pb2.ListCustomerSummariesRequest, deadline: Deadline
    ) -> AsyncGenerator[queries_pb2.ListCustomerSummariesResponse, None]:
        """The chunks of the list, at least one.

        Raises:
            ServiceError: each that the contract names for ListCustomerSummaries.
        """
        trace.get_current_span().set_attribute("orderflow.query.type", "ListCustomerSummaries")
        asked = order_filter.normalized(request.filter)
        admitted = order_filter.conditions(asked)
        wanted = wanted_by(request.consistency_tokens)
        continued = ResumeTokenContents(query_digest=summaries_digest(asked))
        if request.resume_token:
            continued = self._tokens.read(request.resume_token, continued.query_digest)
        continued.remaining = continued.remaining or request.limit
        async with (
            self._points.showing(wanted, None, deadline, replaceable=True) as shown,
            aclosing(self._chunks(shown.point, admitted, continued, deadline)) as chunks,
        ):
            is_first = True
            async for chunk in chunks:
                if is_first:
                    chunk.freshness.CopyFrom(shown.freshness)
                is_first = False
                yield chunk

    async def _chunks(
        self, point: PointInTime, admitted: Sequence[Condition], place: ResumeTokenContents, deadline: Deadline
    ) -> AsyncGenerator[queries_pb2.ListCustomerSummariesResponse, None]:
        limited = place.remaining > 0
        follows = True
        while follows:
            size = min(_CHUNK_CUSTOMERS, place.remaining) if limited else _CHUNK_CUSTOMERS
            found = await _summaries(
                self._index, point, admitted, after=place.last_order_id, size=size + 1, deadline=deadline
            )
            chunk = queries_pb2.ListCustomerSummariesResponse(summaries=found[:size])
            follows = len(found) > size
            if follows:
                place.last_order_id = found[size - 1].customer_id
                place.remaining -= size if limited else 0
                chunk.resume_token = self._tokens.issue(place)
            yield chunk
            follows = follows and not (limited and place.remaining == 0)


async def _summaries(
    index: Index, point: PointInTime, admitted: Sequence[Condition], *, after: str, size: int, deadline: Deadline
) -> list[views_pb2.CustomerSummary]:
    """So many customers whose ids come after one, in order of their id."""
    answer = await index.search(point, _request(admitted, after, size), deadline)
    return [_summary(bucket) for bucket in answer["aggregations"]["customers"]["buckets"]]


def _request(admitted: Sequence[Condition], after: str, size: int) -> dict[str, Any]:
    by_customer: dict[str, Any] = {"size": size, "sources": [{"customer_id": {"terms": {"field": "customer_id"}}}]}
    if after:
        by_customer["after"] = {"customer_id": after}
    return {
        "query": {"bool": {"filter": admitted}},
        "size": 0,
        "track_total_hits": False,
        "aggs": {"customers": {"composite": by_customer, "aggs": _FIGURES}},
    }


_FIGURES = {
    "statuses": {"terms": {"field": "status"}},
    "first": {"min": {"field": "create_time_us"}},
    "last": {"max": {"field": "create_time_us"}},
    "newest": {
        "top_hits": {"size": 1, "sort": [{"create_time_us": "desc"}, {"order_id": "desc"}], "_source": ["view"]}
    },
    "counting": {
        "filter": {"bool": {"must_not": {"term": {"status": "CANCELLED"}}}},
        "aggs": {
            "currencies": {
                "terms": {"field": "currency", "size": _MOST_CURRENCIES, "order": {"_key": "asc"}},
                "aggs": {"high": {"sum": {"field": "total_high"}}, "low": {"sum": {"field": "total_low"}}},
            }
        },
    },
}


def _summary(bucket: Mapping[str, Any]) -> views_pb2.CustomerSummary:
    newest = view_of(bucket["newest"]["hits"]["hits"][0]["_source"])
    statuses = {
        order_pb2.OrderStatus.Value(f"ORDER_STATUS_{each['key']}"): each["doc_count"]
        for each in bucket["statuses"]["buckets"]
    }
    summary = views_pb2.CustomerSummary(
        customer_id=bucket["key"]["customer_id"],
        customer_name=newest.customer_name,
        customer_email=newest.customer_email,
        order_count=bucket["doc_count"],
        status_counts=[
            views_pb2.OrderStatusCount(status=status, order_count=statuses[status]) for status in sorted(statuses)
        ],
        total_amounts=[
            of_ten_thousandths(int(each["high"]["value"]) * TOTAL_PARTS + int(each["low"]["value"]), each["key"])
            for each in bucket["counting"]["currencies"]["buckets"]
        ],
    )
    summary.first_order_time.FromMicroseconds(int(bucket["first"]["value"]))
    summary.last_order_time.FromMicroseconds(int(bucket["last"]["value"]))
    return summary
