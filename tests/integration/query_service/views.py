"""Views of orders with defaults, for tests to vary."""

import uuid
from typing import Any

from google.type.money_pb2 import Money

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_PENDING, OrderItem
from orderflow.orders.v1.views_pb2 import ENRICHMENT_STATE_COMPLETE, OrderView

CUSTOMER_ID = "0190c0de-0000-7000-8000-000000000001"
CREATE_TIME_US = 1_780_000_000_000_000


def an_order(*, create_time_us: int = CREATE_TIME_US, update_time_us: int | None = None, **fields: Any) -> OrderView:
    """A view of a new id unless told; `item_names` make the items."""
    names = fields.pop("item_names", ["Green tea"])
    view = OrderView(
        **{
            "order_id": str(uuid.uuid4()),
            "customer_id": CUSTOMER_ID,
            "customer_name": "Ada Lovelace",
            "customer_email": "ada@example.org",
            "items": [
                OrderItem(sku=f"SKU-{number}", product_name=name, quantity=1, unit_price=euros(12))
                for number, name in enumerate(names)
            ],
            "item_names": names,
            "total_amount": euros(12),
            "status": ORDER_STATUS_PENDING,
            "version": 1,
            "customer_version": 1,
            "enrichment_state": ENRICHMENT_STATE_COMPLETE,
            **fields,
        }
    )
    view.create_time.FromMicroseconds(create_time_us)
    view.update_time.FromMicroseconds(create_time_us if update_time_us is None else update_time_us)
    return view


def euros(units: int, cents: int = 0) -> Money:
    """An amount in euros."""
    return Money(currency_code="EUR", units=units, nanos=cents * 10**7)


def newer(view: OrderView, **fields: Any) -> OrderView:
    """The same order one version on."""
    after = OrderView()
    after.CopyFrom(view)
    after.MergeFrom(OrderView(**{"version": view.version + 1, **fields}))
    return after
