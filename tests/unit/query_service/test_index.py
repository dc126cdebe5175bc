"""How Elasticsearch's own refusals are passed on."""

from typing import Any, cast

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, AsyncElasticsearch
from elasticsearch import ConnectionError as NotConnected

from query_service.deadline import Deadline
from query_service.errors import ReadModelBusy, ReadModelUnavailable
from query_service.index import Index


class _Refusing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def get(self, **_: Any) -> None:
        raise self._error


def _answered(status: int) -> ApiError:
    node = NodeConfig("http", "127.0.0.1", 9200)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, node)
    return ApiError("refused", meta, {"error": {"type": "es_rejected_execution_exception"}})


@pytest.mark.parametrize(
    ("error", "refusal", "reason"),
    [
        (_answered(429), ReadModelBusy, "OVERLOADED"),
        (_answered(503), ReadModelUnavailable, "READ_MODEL_UNAVAILABLE"),
        (NotConnected("away"), ReadModelUnavailable, "READ_MODEL_UNAVAILABLE"),
        (TimeoutError(), ReadModelUnavailable, "READ_MODEL_UNAVAILABLE"),
    ],
)
async def test_too_much_work_is_told_from_an_index_that_is_away(
    error: Exception, refusal: type[ReadModelUnavailable], reason: str
) -> None:
    index = Index(cast("AsyncElasticsearch", _Refusing(error)), "orderflow-orders", call_seconds=5)
    with pytest.raises(ReadModelUnavailable) as refused:
        await index.stored("an id", Deadline(None))
    assert type(refused.value) is refusal
    assert refused.value.reason_name == reason
    assert "the index of orders" in refused.value.message
