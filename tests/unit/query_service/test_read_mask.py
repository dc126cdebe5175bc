"""Read masks."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_SHIPPED, OrderItem
from orderflow.orders.v1.views_pb2 import OrderView
from query_service import read_mask
from service_kit.errors import InvalidArgument


def _view() -> OrderView:
    view = OrderView(order_id="id", status=ORDER_STATUS_SHIPPED, items=[OrderItem(sku="A"), OrderItem(sku="B")])
    view.shipping_address.locality = "Bern"
    view.shipping_address.postal_code = "3000"
    return view


def test_an_empty_mask_shows_everything() -> None:
    assert read_mask.apply(FieldMask(), _view()) == _view()


def test_a_mask_shows_its_fields_and_no_others() -> None:
    expected = OrderView(status=ORDER_STATUS_SHIPPED, items=_view().items)
    expected.shipping_address.locality = "Bern"
    mask = FieldMask(paths=["status", "items", "shipping_address.locality", "customer_name"])
    assert read_mask.apply(mask, _view()) == expected


@pytest.mark.parametrize("path", ["", "nothing", "status.x", "shippingAddress", "items.sku", "shipping_address.x", "*"])
def test_a_path_that_names_no_field_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_mask.check(FieldMask(paths=["status", path]))
    (violation,) = refused.value.violations
    assert violation.field == "read_mask.paths[1]"
    assert violation.description.startswith(repr(path))


def test_of_a_long_path_only_the_beginning_is_said() -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_mask.check(FieldMask(paths=["x" * 10**6]))
    assert len(refused.value.message) < 300
