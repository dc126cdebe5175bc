"""An independent checker: every document of every read model equals the fold of its events and its customer."""

from collections import defaultdict
from typing import Any

from elasticsearch import AsyncElasticsearch

from orderflow.customers.v1 import customer_pb2, personal_data_service_pb2
from orderflow.customers.v1 import queries_pb2 as customer_queries
from orderflow.events.v1 import event_log_pb2
from read_models.catalog import READ_MODELS
from read_models.read_model import ReadModel
from tests.support.system import Clients

_BATCH = 500


async def history(clients: Clients, aggregate_type: str) -> dict[str, list[event_log_pb2.RecordedEvent]]:
    """The events of every aggregate of a type, read from the event log."""
    events: dict[str, list[event_log_pb2.RecordedEvent]] = defaultdict(list)
    request = event_log_pb2.ReadLogRequest(aggregate_types=[aggregate_type])
    async for chunk in clients.log.ReadLog(request):
        for event in chunk.events:
            events[event.aggregate_id].append(event)
    return events


async def assert_versions_have_no_gap(clients: Clients) -> None:
    """Guarantee 3: the versions of an aggregate are 1..n."""
    for order_id, events in (await history(clients, "order")).items():
        assert [event.version for event in events] == list(range(1, len(events) + 1)), order_id


async def assert_documents_equal_the_log(clients: Clients, read_es_url: str) -> None:
    """Guarantee 6: nothing is missing, behind, ahead or otherwise than its events and its customer say."""
    for read_model in READ_MODELS:
        await _assert_equal(clients, read_es_url, read_model)


async def _assert_equal(clients: Clients, read_es_url: str, read_model: ReadModel[Any]) -> None:
    events = await history(clients, read_model.aggregate.type)
    expected = {id_: _fold(read_model, each) for id_, each in events.items()}
    expected = {id_: await _opened(clients, read_model, view) for id_, view in expected.items()}
    if enrichment := read_model.enrichment:
        owners = {id_: enrichment.customer_id(view) for id_, view in expected.items()}
        customers = await _customers(clients, set(owners.values()))
        expected = {id_: read_model.enrich(view, customers.get(owners[id_])) for id_, view in expected.items()}
    indexed = await _documents(read_es_url, read_model, list(expected))
    different = [id_ for id_, view in expected.items() if indexed.get(id_) != view]
    assert not different, f"{len(different)} of {len(expected)} {read_model.name} differ, e.g. {different[0]}"


def _fold(read_model: ReadModel[Any], events: list[event_log_pb2.RecordedEvent]) -> Any:
    view = None
    for event in events:
        happened = read_model.aggregate.events.parse(event.event_type, event.event_data)
        view = read_model.evolve(view, happened, event.version)
    return view


async def _opened(clients: Clients, read_model: ReadModel[Any], view: Any) -> Any:
    sealed = read_model.sealed(view)
    if sealed is None:
        return view
    request = personal_data_service_pb2.OpenPersonalDataRequest(items=[sealed])
    (answer,) = (await clients.personal_data.OpenPersonalData(request)).items
    assert answer.state != personal_data_service_pb2.PERSONAL_DATA_STATE_UNREADABLE
    return read_model.opened(view, answer.personal_data)


async def _customers(clients: Clients, customer_ids: set[str]) -> dict[str, customer_pb2.Customer]:
    found: dict[str, customer_pb2.Customer] = {}
    wanted = sorted(customer_ids)
    for start in range(0, len(wanted), _BATCH):
        request = customer_queries.BatchGetCustomersRequest(customer_ids=wanted[start : start + _BATCH])
        answer = await clients.customers.BatchGetCustomers(request)
        found.update({customer.customer_id: customer for customer in answer.customers})
    return found


async def _documents(read_es_url: str, read_model: ReadModel[Any], ids: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with AsyncElasticsearch(read_es_url) as elasticsearch:
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH]
            answer = await elasticsearch.mget(index=f"orderflow-{read_model.name}", ids=some)
            for document in answer["docs"]:
                if document.get("found"):
                    found[document["_id"]] = read_model.view_of(document["_source"])
    return found
