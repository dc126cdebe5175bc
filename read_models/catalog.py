"""All read models."""

from collections.abc import Sequence
from typing import Any

from read_models.customers import CUSTOMERS
from read_models.orders import ORDERS
from read_models.read_model import ReadModel
from read_models.stock import STOCK

READ_MODELS: Sequence[ReadModel[Any]] = (CUSTOMERS, ORDERS, STOCK)
