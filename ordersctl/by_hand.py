"""grpcurl lines that work as they are, with ids that exist."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ordersctl.client import Addresses

_COMMANDS = "orderflow.orders.v1.OrderCommandService"
_QUERIES = "orderflow.orders.v1.OrderQueryService"


def lines(grpcurl: str, addresses: Addresses, customer_id: str, order_id: str) -> list[str]:
    """Lines for a shell: what there is, the queries, a new order, and a command that is refused.

    Args:
        grpcurl: how to call it; can be several words.
    """
    order = {
        "customer_id": customer_id,
        "items": [
            {
                "sku": "CUP-7",
                "product_name": "Cup",
                "quantity": 2,
                "unit_price": {"currency_code": "EUR", "units": 8, "nanos": 500_000_000},
            }
        ],
        "shipping_address": {
            "recipient": "Ada Lovelace",
            "address_lines": ["12 Example Street"],
            "locality": "London",
            "region_code": "GB",
        },
    }
    return [
        f"{grpcurl} -plaintext {addresses.command} list",
        _line(grpcurl, addresses.query, f"{_QUERIES}/GetOrder", {"order_id": order_id}),
        _line(grpcurl, addresses.query, f"{_QUERIES}/ListOrders", {"filter": {"customer_id": customer_id}}),
        _line(grpcurl, addresses.query, f"{_QUERIES}/SearchOrders", {"query": "brulee"}),
        _line(grpcurl, addresses.command, f"{_COMMANDS}/CreateOrder", order),
        _line(grpcurl, addresses.command, f"{_COMMANDS}/CancelOrder", {"order_id": order_id, "reason": "too late"}),
    ]


def started_as(program: str, folder: Path) -> str:
    """How to call ordersctl from `folder` as it was called now.

    Args:
        program: what this process was started as.
    """
    path = Path(program)
    if path.name == "__main__.py":
        return f"{shlex.quote(_seen_from(folder, Path(sys.executable)))} -m ordersctl"
    return shlex.quote(_seen_from(folder, path))


def _seen_from(folder: Path, path: Path) -> str:
    whole = folder / path
    return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)


def _line(grpcurl: str, address: str, method: str, request: Mapping[str, Any]) -> str:
    return f"{grpcurl} -plaintext -d {shlex.quote(json.dumps(request))} {address} {method}"
