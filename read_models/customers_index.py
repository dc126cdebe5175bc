"""The customers' read model as documents of Elasticsearch; the mapping beside it is `customers_index.json`."""

from collections.abc import Mapping
from typing import Any

from orderflow.customers.v1 import customer_pb2
from read_models import documents
from read_models.text import fold_text


def index_body() -> dict[str, Any]:
    """Settings and mappings of the index, see `ReadModel`."""
    return documents.index_body("customers")


def document(customer: customer_pb2.Customer, *, project_time_us: int) -> dict[str, Any]:
    """The document of a customer; its `_id` is the customer's id. Of one who was erased it has nothing personal.

    Args:
        project_time_us: when the document is written, in microseconds since 1970.
    """
    is_erased = customer.HasField("erase_time")
    searched = (customer.customer_id, customer.name, customer.email)
    return {
        "customer_id": customer.customer_id,
        "name": customer.name,
        "email": customer.email,
        "create_time_us": documents.in_microseconds(customer.create_time),
        "update_time_us": documents.in_microseconds(customer.update_time),
        "erase_time_us": documents.in_microseconds(customer.erase_time) if is_erased else None,
        "enrichment": _enrichment(customer),
        "search_text": [folded for text in searched if (folded := fold_text(text))],
        "version": customer.version,
        "project_time_us": project_time_us,
        "view": documents.encoded(customer),
    }


def _enrichment(customer: customer_pb2.Customer) -> str:
    if customer.HasField("sealed_personal_data"):
        return "SEALED"
    return "ERASED" if customer.HasField("erase_time") else "COMPLETE"


def view_of(document: Mapping[str, Any]) -> customer_pb2.Customer:
    """The customer that a document holds."""
    return customer_pb2.Customer.FromString(documents.view_bytes(document))
