"""What each of Elasticsearch's refusals of a document means."""

import pytest

from projector.elasticsearch_errors import item_failure
from projector.errors import Contended, DocumentRejected, ProjectorError, ReadModelAway


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, DocumentRejected),
        (401, ReadModelAway),
        (403, ReadModelAway),
        (404, ReadModelAway),
        (409, Contended),
        (429, ReadModelAway),
        (500, ReadModelAway),
        (503, ReadModelAway),
    ],
)
def test_only_a_bad_request_condemns_the_document(status: int, meaning: type[ProjectorError]) -> None:
    assert type(item_failure({"status": status, "error": {"type": "some_exception", "reason": "why"}})) is meaning


def test_what_is_personal_in_a_reason_is_not_repeated() -> None:
    reason = "failed to parse field [x] of type [long]. Preview of field's value: 'Zoë'"
    failure = item_failure({"status": 400, "error": {"type": "document_parsing_exception", "reason": reason}})
    assert str(failure) == "document_parsing_exception: failed to parse field [x] of type [long]."
