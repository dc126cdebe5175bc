"""Sends only those fields of a view that the caller asked for."""

from google.protobuf.field_mask_pb2 import FieldMask

from orderflow.orders.v1 import views_pb2
from service_kit.errors import InvalidArgument

_MOST_SHOWN = 100


def check(mask: FieldMask) -> None:
    """Returns if each path names a field of a view.

    Raises:
        InvalidArgument: naming the first that does not.
    """
    for index, path in enumerate(mask.paths):
        if not FieldMask(paths=[path]).IsValidForDescriptor(views_pb2.OrderView.DESCRIPTOR):
            shown = path if len(path) <= _MOST_SHOWN else f"{path[:_MOST_SHOWN]}…"
            raise InvalidArgument.of(
                f"read_mask.paths[{index}]", f"{shown!r} names no field of OrderView, or one inside a repeated field"
            )


def apply(mask: FieldMask, view: views_pb2.OrderView) -> views_pb2.OrderView:
    """The view with only the fields of a checked mask; the whole view when the mask is empty."""
    if not mask.paths:
        return view
    masked = views_pb2.OrderView()
    mask.MergeMessage(view, masked)
    return masked
