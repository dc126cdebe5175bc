"""What Elasticsearch's refusals mean for the projection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elasticsearch import ApiError, TransportError

from projector.errors import Contended, DocumentRejected, Outage, ReadModelAway

_BAD_REQUEST = 400
_CONFLICT = 409
_PERSONAL = " Preview of field's value"


@contextmanager
def as_outage() -> Iterator[None]:
    """Makes every failure of a whole request an outage: it says nothing about one document.

    Raises:
        ReadModelAway: the request failed.
    """
    try:
        yield
    except ApiError as error:
        raise ReadModelAway(f"Elasticsearch answers {error.status_code}: {error.error}") from error
    except TransportError as error:
        raise ReadModelAway(f"Elasticsearch does not answer: {type(error).__name__}") from error


def item_failure(item: Mapping[str, Any]) -> DocumentRejected | Outage:
    """Why one item of a bulk request failed.

    Only a 400 condemns the document. A conflict asks to read again; anything else (429, 5xx, a blocked or
    missing index, no permission) is about the cluster, so it is tried until the cluster is as it should be.
    """
    error = item["error"]
    cause = f"{error['type']}: {str(error.get('reason')).partition(_PERSONAL)[0]}"
    if item["status"] == _CONFLICT:
        return Contended(cause)
    return DocumentRejected(cause) if item["status"] == _BAD_REQUEST else ReadModelAway(cause)
