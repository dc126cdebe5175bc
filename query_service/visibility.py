"""Whether a read model shows what a caller must see, told from its documents in one point in time."""

from collections.abc import Mapping
from typing import Any, Protocol

from query_service.consistency import Wanted
from query_service.errors import EventualConsistencyTimeout


class Visibility(Protocol):
    """How one read model is asked for what is wanted."""

    def request(self, wanted: Wanted) -> Mapping[str, Any] | None:
        """The search that tells; None where the read model shows nothing of what is wanted."""

    def check(self, wanted: Wanted, answer: Mapping[str, Any]) -> None:
        """Returns if the answer to it shows all that is wanted.

        Raises:
            EventualConsistencyTimeout: naming the first that it does not.
        """


class OrdersVisible:
    """Orders show their own changes and their customer's, which is seen when each of the customer's orders shows it."""

    def request(self, wanted: Wanted) -> Mapping[str, Any] | None:
        """Asks for the versions of the orders, and for the oldest version of each customer in any order."""
        if not wanted.orders and not wanted.customers:
            return None
        orders = {"ids": {"values": list(wanted.orders)}}
        customers = list(wanted.customers)
        by_customer = {"field": "customer_id", "include": customers, "size": max(1, len(customers))}
        return {
            **_versions_of(wanted.orders),
            "query": {"bool": {"should": [orders, {"terms": {"customer_id": customers}}]}},
            "post_filter": orders,
            "aggs": {"customers": {"terms": by_customer, "aggs": {"oldest": {"min": {"field": "customer_version"}}}}},
        }

    def check(self, wanted: Wanted, answer: Mapping[str, Any]) -> None:
        """As the protocol says."""
        _check_versions("order", wanted.orders, answer)
        customers = {
            each["key"]: int(each["oldest"]["value"]) for each in answer["aggregations"]["customers"]["buckets"]
        }
        for customer_id, version in wanted.customers.items():
            if customers.get(customer_id, version) < version:
                raise EventualConsistencyTimeout(f"customer/{customer_id}", wanted=version, seen=customers[customer_id])


class StockVisible:
    """Stock items show their own changes."""

    def request(self, wanted: Wanted) -> Mapping[str, Any] | None:
        """Asks for the versions of the stock items."""
        if not wanted.stock_items:
            return None
        return {**_versions_of(wanted.stock_items), "query": {"ids": {"values": list(wanted.stock_items)}}}

    def check(self, wanted: Wanted, answer: Mapping[str, Any]) -> None:
        """As the protocol says."""
        _check_versions("stock_item", wanted.stock_items, answer)


def _versions_of(ids: Mapping[str, int]) -> dict[str, Any]:
    return {"size": len(ids), "source": False, "docvalue_fields": ["version"], "track_total_hits": False}


def _check_versions(aggregate_type: str, wanted: Mapping[str, int], answer: Mapping[str, Any]) -> None:
    found = {hit["_id"]: hit["fields"]["version"][0] for hit in answer["hits"]["hits"]}
    for id_, version in wanted.items():
        if found.get(id_, 0) < version:
            raise EventualConsistencyTimeout(f"{aggregate_type}/{id_}", wanted=version, seen=found.get(id_, 0))
