"""Keys of customers and what is sealed with them, for tests."""

import uuid
from base64 import b64encode
from typing import Any

from command_service.event_store.database import Database
from command_service.event_store.port import Append, NewEvent, RequestKey
from command_service.personal_data.keys import Keys
from command_service.personal_data.master_keys import MasterKeys
from orderflow.common.v1 import address_pb2
from orderflow.customers.v1 import events_pb2 as customers
from orderflow.orders.v1 import events_pb2 as orders
from tests.integration.command_service.appends import append_of

MASTER_KEY, OTHER_MASTER_KEY = bytes(range(32)), bytes(range(1, 33))
NAME, EMAIL, STREET = "Ottilie Quandt", "ottilie.quandt@example.org", "Fliederweg 23"


def setting(master_key: bytes) -> str:
    """A master key as settings have it."""
    return b64encode(master_key).decode()


def keys_of(database: Database, *, master_keys: MasterKeys | None = None, seconds: float = 60.0, **others: Any) -> Keys:
    """The keys in a database."""
    return Keys(database, master_keys or MasterKeys(MASTER_KEY), cached=1000, seconds=seconds, **others)


def registered(customer_id: uuid.UUID) -> Append:
    """A customer's registration, with a name and an e-mail address that nobody else has."""
    personal = customers.CustomerPersonalData(name=NAME, email=EMAIL)
    return _append(customers.CustomerRegistered(customer_id=str(customer_id), personal_data=personal), customer_id)


def erased(customer_id: uuid.UUID, version: int = 1, *, request: RequestKey | None = None) -> Append:
    """A customer's erasure."""
    event = customers.CustomerErased(customer_id=str(customer_id))
    return _append(event, customer_id, version, request=request)


def created(customer_id: uuid.UUID, order_id: uuid.UUID, *, request: RequestKey | None = None) -> Append:
    """An order, to a street that nobody else has."""
    address = address_pb2.Address(
        recipient=NAME, address_lines=[STREET], postal_code="10115", locality="Berlin", region_code="DE"
    )
    event = orders.OrderCreated(
        order_id=str(order_id),
        customer_id=str(customer_id),
        personal_data=orders.OrderPersonalData(shipping_address=address),
    )
    return _append(event, order_id, aggregate_type="order", request=request)


def _append(event: Any, id_: uuid.UUID, version: int = 0, *, aggregate_type: str = "customer", **others: Any) -> Append:
    new = NewEvent(event.DESCRIPTOR.full_name, event.SerializeToString(deterministic=True))
    return append_of(id_, version, events=[new], aggregate_type=aggregate_type, **others)
