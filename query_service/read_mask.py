"""Sends only those fields of a view that the caller asked for."""

from google.protobuf.field_mask_pb2 import FieldMask

from orderflow.orders.v1 import views_pb2
from service_kit.errors import InvalidArgument


def check(mask: FieldMask) -> None:
    """Returns if each path names a field of a view.

    Raises:
        InvalidArgument: naming `read_mask`.
    """
    if not mask.IsValidForDescriptor(views_pb2.OrderView.DESCRIPTOR):
        raise InvalidArgument.of("read_mask", "each path must name a field of OrderView, not inside a repeated one")


def apply(mask: FieldMask, view: views_pb2.OrderView) -> views_pb2.OrderView:
    """The view with only the fields of a checked mask; the whole view when the mask is empty."""
    if not mask.paths:
        return view
    masked = views_pb2.OrderView()
    mask.MergeMessage(view, masked)
    return masked
