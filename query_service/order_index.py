"""The index of orders in Elasticsearch, as the query service reads it."""

from orderflow.common.v1 import consistency_pb2
from query_service.deadline import Deadline
from query_service.index import Index
from query_service.shown_views import shown
from query_service.stored_order import StoredOrder
from read_models.orders_index import view_of


class OrderIndex(Index):
    """Reads the index of orders."""

    async def get(self, order_id: str, deadline: Deadline) -> StoredOrder | None:
        """The newest view, also one that no search finds yet; None where there is none.

        Raises:
            ReadModelUnavailable: see `Index`.
        """
        found = await self.stored(order_id, deadline)
        if found is None:
            return None
        return StoredOrder(
            shown(view_of(found.source)),
            consistency_pb2.READ_SOURCE_READ_MODEL,
            found.generation,
            found.source["project_time_us"],
        )
