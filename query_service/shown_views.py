"""Views of orders as they leave the read side: without what is sealed of them."""

from orderflow.orders.v1 import views_pb2


def merge(view: views_pb2.OrderView, data: bytes) -> views_pb2.OrderView:
    """Makes an empty view the one in these bytes.

    Raises:
        google.protobuf.message.DecodeError: they are none.
    """
    view.MergeFromString(data)
    return shown(view)


def shown(view: views_pb2.OrderView) -> views_pb2.OrderView:
    """The view, which is changed, as callers may see it."""
    view.ClearField("sealed_personal_data")
    return view
