"""An order's view as the read side keeps it, with what is known of where it came from."""

from dataclasses import dataclass

from orderflow.common.v1 import consistency_pb2
from orderflow.orders.v1 import views_pb2


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A view and its origin.

    Args:
        generation: of the index that it belongs to.
        project_time_us: when the projection wrote it, in microseconds since 1970; 0 where that is unknown.
    """

    view: views_pb2.OrderView
    source: "consistency_pb2.ReadSource.ValueType"
    generation: int
    project_time_us: int
