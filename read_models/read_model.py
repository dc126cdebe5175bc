"""What a read model consists of, so that what runs and rebuilds read models need not know each of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from event_schemas.orders import OrderEvent
from orderflow.customers.v1 import customer_pb2
from orderflow.orders.v1 import views_pb2
from read_models import orders, orders_index


class Document(Protocol):
    """Makes a view's document."""

    def __call__(self, view: views_pb2.OrderView, /, *, project_time_us: int) -> dict[str, Any]:
        """The document as Elasticsearch takes it; the time is when it is written."""


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A read model.

    Args:
        name: last part of its alias's name.
        aggregate_type: of the aggregates whose events are folded, one document each.
        topics: the middle parts of the names of the topics with the events that its documents depend on.
        evolve: the view with its next event.
        pass_over: the view as if its next version, which is given, had changed nothing.
        enrich: the view with its customer, None while that is not known.
    """

    name: str
    aggregate_type: str
    topics: Sequence[str]
    evolve: Callable[[views_pb2.OrderView | None, OrderEvent, int], views_pb2.OrderView]
    pass_over: Callable[[views_pb2.OrderView, int], views_pb2.OrderView]
    enrich: Callable[[views_pb2.OrderView, customer_pb2.Customer | None], views_pb2.OrderView]
    index_body: Callable[[], dict[str, Any]]
    document: Document
    view_of: Callable[[Mapping[str, Any]], views_pb2.OrderView]


ORDERS = ReadModel(
    name="orders",
    aggregate_type="order",
    topics=("orders", "customers"),
    evolve=orders.evolve,
    pass_over=orders.passed_over,
    enrich=orders.with_customer,
    index_body=orders_index.index_body,
    document=orders_index.document,
    view_of=orders_index.view_of,
)
