"""Calls orderflow's services: `Client` and `AsyncClient`, and the errors that their calls raise."""

from orderflow_client.aio import AsyncClient
from orderflow_client.client import Client
from orderflow_client.errors import (
    AlreadyExists,
    FieldViolation,
    InvalidRequest,
    NotFound,
    NotPermitted,
    NotVisibleYet,
    OrderflowError,
    RefusedByState,
    StateViolation,
    TryLater,
    VersionMismatch,
)

__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "Client",
    "FieldViolation",
    "InvalidRequest",
    "NotFound",
    "NotPermitted",
    "NotVisibleYet",
    "OrderflowError",
    "RefusedByState",
    "StateViolation",
    "TryLater",
    "VersionMismatch",
]
