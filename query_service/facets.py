"""Counts what a search found by status, currency, month or customer."""

from collections.abc import Mapping, Sequence
from typing import Any

from orderflow.orders.v1 import queries_pb2

_MOST_VALUES = 100
_FIELDS = {
    queries_pb2.FACET_STATUS: "status",
    queries_pb2.FACET_CURRENCY: "currency",
    queries_pb2.FACET_MONTH: "create_month",
    queries_pb2.FACET_CUSTOMER: "customer_id",
}


def aggregations(facets: Sequence["queries_pb2.Facet.ValueType"]) -> dict[str, Any]:
    """The aggregations of an Elasticsearch request."""
    return {_FIELDS[facet]: _terms(facet) for facet in facets}


def counts(facets: Sequence["queries_pb2.Facet.ValueType"], answer: Mapping[str, Any]) -> list[queries_pb2.FacetCounts]:
    """The facets in the answer of Elasticsearch."""
    return [_counts(facet, answer["aggregations"][_FIELDS[facet]]) for facet in facets]


def _terms(facet: "queries_pb2.Facet.ValueType") -> dict[str, Any]:
    order = {"_key": "asc"} if facet == queries_pb2.FACET_MONTH else {"_count": "desc"}
    return {"terms": {"field": _FIELDS[facet], "size": _MOST_VALUES, "order": order}}


def _counts(facet: "queries_pb2.Facet.ValueType", found: Mapping[str, Any]) -> queries_pb2.FacetCounts:
    buckets = [
        queries_pb2.FacetBucket(value=bucket["key"], order_count=bucket["doc_count"]) for bucket in found["buckets"]
    ]
    return queries_pb2.FacetCounts(facet=facet, buckets=buckets, other_count=found["sum_other_doc_count"])
