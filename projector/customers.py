"""Customers, as CustomerService knows them."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import grpc
from cachetools import LRUCache

from orderflow.customers.v1 import customer_pb2, customer_service_pb2_grpc, queries_pb2
from projector.circuit_breaker import CircuitBreaker
from projector.errors import CustomersAway
from projector.events import is_id

_MOST_IDS = 1000  # of a call, as the contract says
_FAILURES = 3

CustomersById: TypeAlias = Mapping[str, customer_pb2.Customer]


class Customers:
    """Looks customers up, many at once; its methods raise CustomersAway where that fails or is not tried.

    An answer of `get` is never older than the call. One of `known` may be: it must be followed by a `get`
    (`enrichment.py` says when).

    Args:
        channel: to the command service.
        timeout_seconds: of a call, its retries included.
        pause_seconds: between calls, once three in a row have failed.
        cached: how many customers are kept for `known`.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float, pause_seconds: float, cached: int) -> None:
        self._service = customer_service_pb2_grpc.CustomerServiceStub(channel)
        self._timeout_seconds = timeout_seconds
        self._breaker = CircuitBreaker(
            "CustomerService", CustomersAway, failures=_FAILURES, pause_seconds=pause_seconds
        )
        self._cache: LRUCache[str, customer_pb2.Customer] = LRUCache(cached)

    async def get(self, customer_ids: Iterable[str]) -> CustomersById:
        """Those of the customers that there are now, by id."""
        ids = [id_ for id_ in set(customer_ids) if is_id(id_)]  # one that is none would have all refused
        customers: dict[str, customer_pb2.Customer] = {}
        for start in range(0, len(ids), _MOST_IDS):
            with self._breaker.call():
                customers.update(await self._ask(ids[start : start + _MOST_IDS]))
        self.keep(customers)
        return customers

    async def known(self, customer_ids: Iterable[str]) -> CustomersById:
        """The same, but those that are kept as they were."""
        self._breaker.check()
        ids = set(customer_ids)
        kept = {id_: self._cache[id_] for id_ in ids if id_ in self._cache}
        return {**kept, **await self.get(ids - kept.keys())}

    def keep(self, customers: CustomersById) -> None:
        """Remembers customers, unless newer ones are; of one whose name is sealed, that what it remembers is old."""
        for id_, customer in customers.items():
            if id_ in self._cache and self._cache[id_].version >= customer.version:
                continue
            if customer.HasField("sealed_personal_data"):
                self._cache.pop(id_, None)
            else:
                self._cache[id_] = customer

    async def _ask(self, ids: Iterable[str]) -> CustomersById:
        request = queries_pb2.BatchGetCustomersRequest(customer_ids=ids)
        try:
            response = await self._service.BatchGetCustomers(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise CustomersAway(f"CustomerService answers {error.code().name}") from error
        return {each.customer_id: each for each in response.customers}
