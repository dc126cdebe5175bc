"""Bulk requests to the real Elasticsearch."""

import uuid
from collections.abc import AsyncIterator

import pytest
from elasticsearch import AsyncElasticsearch

from projector.bulk import State, Write, write_in_bulk
from projector.errors import DocumentRejected
from read_models import orders, orders_index
from tests.support.servers import READ_ES_URL
from tests.unit.read_models.builders import created


@pytest.fixture
async def elasticsearch() -> AsyncIterator[AsyncElasticsearch]:
    async with AsyncElasticsearch(READ_ES_URL, max_retries=0) as elasticsearch:
        yield elasticsearch


@pytest.fixture
async def index(elasticsearch: AsyncElasticsearch) -> AsyncIterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    await elasticsearch.indices.create(index=name, **orders_index.index_body())
    yield name
    await elasticsearch.indices.delete(index=name)


async def test_a_number_too_large_for_the_index_refuses_its_own_document_alone(
    elasticsearch: AsyncElasticsearch, index: str
) -> None:
    good = orders_index.document(orders.evolve(None, created(), 1), project_time_us=0)
    writes = [Write("good", good, None), Write("bad", {**good, "total_e4": 10**20}, None), Write("also", good, None)]
    results = await write_in_bulk(elasticsearch, index, writes, {})
    assert {id_: type(each) for id_, each in results.items()} == {
        "good": State, "bad": DocumentRejected, "also": State,
    }  # fmt: skip
    assert (await elasticsearch.get(index=index, id="also"))["_source"] == good


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # of 8 MB, in some milliseconds
async def test_what_is_too_much_for_one_request_is_written_by_several(
    elasticsearch: AsyncElasticsearch, index: str
) -> None:
    good = orders_index.document(orders.evolve(None, created(), 1), project_time_us=0)
    large = {**good, "view": "QUJD" * 375_000}
    writes = [Write(str(number), large, None) for number in range(7)]
    results = await write_in_bulk(elasticsearch, index, writes, {})
    assert {type(each) for each in results.values()} == {State}, results
    await elasticsearch.indices.refresh(index=index)
    assert (await elasticsearch.count(index=index))["count"] == 7
