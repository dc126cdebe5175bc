"""Orders as a shop has them, each a function of its number, folded by the read model as the projector does."""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import reduce

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from event_schemas.orders import OrderEvent
from orderflow.common.v1.address_pb2 import Address
from orderflow.customers.v1.customer_pb2 import Customer
from orderflow.orders.v1 import events_pb2, order_pb2
from orderflow.orders.v1.views_pb2 import OrderView
from read_models.orders import ORDERS

_NAMESPACE = uuid.UUID("6f0a7d52-4f0c-4c0e-9a57-8d1f5f1f0b01")
_ORDERS_A_CUSTOMER = 10
_FIRST_ORDER = datetime(2025, 1, 1, tzinfo=UTC)
_BETWEEN_ORDERS = timedelta(seconds=29, microseconds=700_001)
_FIRST_NAMES = [
    "Ada",
    "Bruno",
    "Chloé",
    "Dieter",
    "Édith",
    "Farid",
    "Greta",
    "Håkon",
    "Ines",
    "Jürgen",
    "Kateřina",
    "Łukasz",
    "Mary",
    "Noé",
    "Olga",
    "Zoë",
]
_LAST_NAMES = [
    "Ångström",
    "Becker",
    "Castro",
    "Dvořák",
    "Evans",
    "Fischer",
    "García",
    "Horák",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lovelace",
    "Müller",
]
_TOWNS = ["Berlin", "Bordeaux", "Gdańsk", "Göteborg", "Liège", "London", "Málaga", "Milano", "Praha", "Zürich"]
_STREETS = ["Hauptstraße", "Rue du Marché", "High Street", "Calle Mayor", "Dlouhá", "Storgatan"]
_KINDS = ["Green", "Black", "White", "Smoked", "Roasted", "Organic", "Ceramic", "Cast iron", "Porcelain", "Travel"]
_GOODS = [
    "tea",
    "coffee",
    "teapot",
    "kettle",
    "mug",
    "strainer",
    "filter",
    "grinder",
    "biscuits",
    "honey",
    "tray",
    "spoon",
]


def order_id(number: int) -> str:
    """The id of the order of that number."""
    return str(uuid.uuid5(_NAMESPACE, f"order {number}"))


def order(number: int) -> OrderView:
    """The order's view: of one to five events, and its customer."""
    numbered = enumerate(_events(number), start=1)
    view: OrderView | None = reduce(lambda before, each: ORDERS.evolve(before, each[1], each[0]), numbered, None)
    if view is None:
        raise AssertionError("an order has events")
    return ORDERS.enrich(view, _customer(number // _ORDERS_A_CUSTOMER))


def _events(number: int) -> Iterator[OrderEvent]:
    chance = random.Random(number)  # noqa: S311
    id_, begin = order_id(number), _FIRST_ORDER + number * _BETWEEN_ORDERS
    items = [_item(chance) for _ in range(chance.randint(1, 4))]
    total = _euros(
        sum(each.quantity * (each.unit_price.units * 100 + each.unit_price.nanos // 10**7) for each in items)
    )
    events: list[OrderEvent] = [
        events_pb2.OrderCreated(
            order_id=id_,
            customer_id=_customer_id(number // _ORDERS_A_CUSTOMER),
            items=items,
            total_amount=total,
            fulfillment_mode=order_pb2.FULFILLMENT_MODE_AUTOMATIC,
            estimated_delivery_time=_at(begin, days=5),
            personal_data=events_pb2.OrderPersonalData(shipping_address=_address(chance)),
            create_time=_at(begin),
        ),
        events_pb2.PaymentProcessed(
            order_id=id_, payment_reference=f"P-{number}", amount=total, payment_time=_at(begin, minutes=1)
        ),
        events_pb2.OrderConfirmed(order_id=id_, confirm_time=_at(begin, minutes=2)),
        events_pb2.OrderShipped(order_id=id_, tracking_number=f"TRACK-{number:09}", ship_time=_at(begin, days=1)),
        events_pb2.OrderDelivered(order_id=id_, deliver_time=_at(begin, days=3)),
    ]
    yield from events[: chance.randint(1, len(events))]


def _item(chance: random.Random) -> order_pb2.OrderItem:
    kind, goods = chance.choice(_KINDS), chance.choice(_GOODS)
    return order_pb2.OrderItem(
        sku=f"{kind[:3]}-{goods[:3]}-{chance.randint(1, 99):02}".upper(),
        product_name=f"{kind} {goods}",
        quantity=chance.randint(1, 3),
        unit_price=_euros(chance.randint(200, 9999)),
    )


def _address(chance: random.Random) -> Address:
    return Address(
        recipient=f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}",
        address_lines=[f"{chance.choice(_STREETS)} {chance.randint(1, 200)}"],
        postal_code=f"{chance.randint(10000, 99999)}",
        locality=chance.choice(_TOWNS),
        region_code="DE",
    )


def _customer_id(number: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"customer {number}"))


def _customer(number: int) -> Customer:
    first, last = (names[number // step % len(names)] for names, step in ((_FIRST_NAMES, 1), (_LAST_NAMES, 16)))
    return Customer(
        customer_id=_customer_id(number), name=f"{first} {last}", email=f"customer{number}@example.com", version=1
    )


def _euros(cents: int) -> Money:
    return Money(currency_code="EUR", units=cents // 100, nanos=cents % 100 * 10**7)


def _at(begin: datetime, *, days: int = 0, minutes: int = 0) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(begin + timedelta(days=days, minutes=minutes))
    return time
