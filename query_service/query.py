"""What a list or search asks for, whatever it is of."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from query_service.ordering import Ordering

_PRINCIPAL = b"anonymous"


@dataclass(frozen=True, slots=True)
class Query:
    """Which documents, in which order.

    Args:
        name: of the method that was called.
        counted_as: the attribute of its span that says how many were sent.
        ordering: the order to send them in.
        digest: the same for all calls that may continue one another.
        request: to Elasticsearch, but for the page.
        first_request: the same, also asking for what is counted over all pages.
    """

    name: str
    counted_as: str
    ordering: Ordering
    digest: bytes
    request: Mapping[str, Any]
    first_request: Mapping[str, Any]


def request_of(query: Mapping[str, Any], order: Ordering) -> dict[str, Any]:
    """The request to Elasticsearch, but for the page."""
    return {"query": query, "sort": order.to_sort(), "source": ["view"], "track_total_hits": False}


def digest_of(name: str, asked: Message, order: Ordering, text: str = "") -> bytes:
    """The same for all calls that may continue one another.

    Args:
        asked: the filter, so that what means the same is the same.
        text: of the search.
    """
    parts = [asked.SerializeToString(deterministic=True), json.dumps(order.to_sort()).encode(), text.encode()]
    digest = hashlib.sha256()
    for part in (_PRINCIPAL, name.encode(), *parts):
        digest.update(len(part).to_bytes(4) + part)
    return digest.digest()
