"""Customers, as CustomerService knows them now."""

from collections.abc import Iterable, Mapping

import grpc

from orderflow.customers.v1 import customer_pb2, customer_service_pb2_grpc, queries_pb2
from projector.errors import CustomersAway
from projector.events import is_id

_MOST_IDS = 1000  # of a call, as the contract says


class Customers:
    """Looks customers up, many at once.

    Nothing is kept: that an order and its customer's change cannot miss each other rests on an answer that is
    never older than the call (see `projection.py`).

    Args:
        channel: to the command service.
        timeout_seconds: of a call, its retries included.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        self._service = customer_service_pb2_grpc.CustomerServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def get(self, customer_ids: Iterable[str]) -> Mapping[str, customer_pb2.Customer]:
        """Those of the customers that there are, by id.

        Raises:
            CustomersAway: the service does not answer in time.
        """
        ids = [id_ for id_ in set(customer_ids) if is_id(id_)]  # one that is none would have all refused
        customers: dict[str, customer_pb2.Customer] = {}
        for start in range(0, len(ids), _MOST_IDS):
            request = queries_pb2.BatchGetCustomersRequest(customer_ids=ids[start : start + _MOST_IDS])
            try:
                response = await self._service.BatchGetCustomers(request, timeout=self._timeout_seconds)
            except grpc.aio.AioRpcError as error:
                raise CustomersAway(f"CustomerService answers {error.code().name}") from error
            customers.update({each.customer_id: each for each in response.customers})
        return customers
