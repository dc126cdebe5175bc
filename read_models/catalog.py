"""All read models."""

from collections.abc import Sequence
from typing import Any

from read_models.customers import CUSTOMERS
from read_models.orders import ORDERS
from read_models.read_model import ReadModel

READ_MODELS: Sequence[ReadModel[Any]] = (CUSTOMERS, ORDERS)
